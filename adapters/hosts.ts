/** What of a server's URL may be told to anybody: neither credentials nor options. */
export const hostsOf = (url: string): string =>
  url
    .replace(/^[^/]*\/\//, '')
    .replace(/^[^/?]*@/, '')
    .replace(/[/?].*$/, '');

import type { Randomness } from '../ports/system.ts';

const VALID = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * The trace that a request belongs to (W3C Trace Context, version 00): the one it came with, else a new one.
 */
export const traceparentOf = (header: string | string[] | undefined, { uuid }: Randomness): string => {
  if (typeof header === 'string' && VALID.test(header)) return header;
  const id = uuid().replaceAll('-', '');
  // The root's span may share the trace's random half: one draw of randomness a request.
  return `00-${id}-${id.slice(16)}-01`;
};

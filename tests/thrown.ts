/** What a call throws; undefined when it does not. */
export const thrown = (what: Promise<unknown>): Promise<unknown> =>
  what.then(
    () => undefined,
    (error: unknown) => error,
  );

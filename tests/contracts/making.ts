import { suite } from 'uvu';

/** What a contract suite is run on. `close` also clears away what was made. */
export type Made<P> = Readonly<{ port: P; close(): Promise<void> }>;
export type Make<P> = () => Promise<Made<P>>;

/** Registers the cases of one port, each on a part of its own. Call the answer's `run` when all are told. */
export const contract = <P>(name: string, make: Make<P>) => {
  const cases = suite(name);
  return {
    test: (what: string, act: (port: P) => Promise<void>): void =>
      cases(what, async () => {
        const { port, close } = await make();
        try {
          await act(port);
        } finally {
          await close();
        }
      }),
    run: (): void => cases.run(),
  };
};

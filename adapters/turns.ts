/** Work of one key goes one at a time, in the order in which it was asked for; keys do not wait for one another. */
export type Turns = Readonly<{
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when all that was asked for so far has ended, however it ended. */
  over(): Promise<void>;
}>;

export const createTurns = (): Turns => {
  const last = new Map<string, Promise<unknown>>();
  return {
    async inTurn(key, work) {
      const turn = (last.get(key) ?? Promise.resolve()).then(work, work);
      last.set(key, turn);
      try {
        return await turn;
      } finally {
        if (last.get(key) === turn) last.delete(key);
      }
    },
    async over() {
      await Promise.allSettled(last.values());
    },
  };
};

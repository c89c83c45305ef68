/** Who wants to hear that something has changed, and looks for itself. */
export type Listeners = Readonly<{
  /** Returns the way to stop; the same function may listen twice. */
  add(listener: () => void): () => void;
  /** Each runs after this turn's work: what it throws is nobody's answer. */
  tell(): void;
  size(): number;
}>;

export const createListeners = (): Listeners => {
  const listeners = new Set<() => void>();
  return {
    add(listener) {
      const own = (): void => listener();
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    tell() {
      for (const listener of listeners) queueMicrotask(listener);
    },
    size: () => listeners.size,
  };
};

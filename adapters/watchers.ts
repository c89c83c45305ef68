import type { Position } from '../domain/kernel.ts';
import type { ReadStore, Row, View } from '../ports/read-store.ts';

/** Who wants to hear of the commits to a view. A listener runs after the commit, outside of it: what it throws is nobody's answer. */
export const watchers = (): { watch: ReadStore['watch']; tell(view: View, rows: readonly Row[], to: Position): void } => {
  const listeners = new Map<View, Set<(rows: readonly Row[], to: Position) => void>>();
  return {
    watch(view, listener) {
      const own: typeof listener = (rows, to) => listener(rows, to); // the same function may watch twice
      const there = listeners.get(view) ?? new Set();
      listeners.set(view, there.add(own));
      return () => {
        there.delete(own);
        if (there.size === 0 && listeners.get(view) === there) listeners.delete(view);
      };
    },
    tell(view, rows, to) {
      for (const listener of listeners.get(view) ?? []) queueMicrotask(() => listener(rows, to));
    },
  };
};

import type { Position } from '../domain/kernel.ts';
import type { ReadStore, Row, View } from '../ports/read-store.ts';
import { nameOf } from './view-builds.ts';

type Listener = Parameters<ReadStore['watch']>[1];

/**
 * Who wants to hear of the commits to the builds of a view. A listener runs after the commit, outside of it:
 * what it throws is nobody's answer.
 */
export const watchers = (): {
  watch: ReadStore['watch'];
  tell(view: View, rows: readonly Row[], to: Position): void;
} => {
  const listeners = new Map<string, Set<Listener>>();
  return {
    watch(name, listener) {
      const own: Listener = (view, rows, to) => listener(view, rows, to); // the same function may watch twice
      const there = listeners.get(name) ?? new Set();
      listeners.set(name, there.add(own));
      return () => {
        there.delete(own);
        if (there.size === 0 && listeners.get(name) === there) listeners.delete(name);
      };
    },
    tell(view, rows, to) {
      for (const listener of listeners.get(nameOf(view)) ?? [])
        queueMicrotask(() => listener(view, rows, to));
    },
  };
};

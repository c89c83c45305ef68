/** The names of a view's builds and which of them readers see: what every read store keeps alike. */
import type { Position } from '../domain/kernel.ts';
import type { Activation, View } from '../ports/read-store.ts';

/** The view's name: what stands before the '@'. */
export const nameOf = (view: View): string => view.split('@', 1)[0]!;

/**
 * What is active once `view` is asked for, where `reached` is its checkpoint and `needed` that of the active
 * build: 'behind' when readers would be taken back. Where nothing is active, or has folded anything, every
 * build will do, also one of an empty store. Positions compare as text.
 */
export const activationOf = (
  current: Activation | undefined,
  view: View,
  reached: Position | undefined,
  needed: Position | undefined,
): Activation | 'behind' => {
  if (!current) return { view };
  if (current.view === view) return current;
  if (needed !== undefined && (reached === undefined || reached < needed)) return 'behind';
  return { view, previous: current.view };
};

/** What is active once `view` is gone. Throws RangeError when it is the one that readers see. */
export const activationWithout = (current: Activation | undefined, view: View): Activation | undefined => {
  if (current?.view === view)
    throw new RangeError(`${view} is active: activate another build before it is dropped`);
  return current?.previous === view ? { view: current.view } : current;
};

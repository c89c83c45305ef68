/** How many may wait, or listen, at once: in all, and for each of whom a seat is counted. */

/** Taken before a wait begins; given back when it ends, once. */
export type Seat = Readonly<{ leave(): void }>;
export type Seats = Readonly<{
  /** Undefined when there are `all` already, or one of `whose` has as many as it may. */
  take(...whose: readonly (readonly [whose: unknown, most: number])[]): Seat | undefined;
}>;

export const createSeats = (all: number): Seats => {
  const taken = new Map<unknown, number>();
  let total = 0;
  const count = (whose: unknown, by: 1 | -1): void => {
    const now = (taken.get(whose) ?? 0) + by;
    if (now === 0) taken.delete(whose);
    else taken.set(whose, now);
  };
  return {
    take(...whose) {
      if (total >= all || whose.some(([one, most]) => (taken.get(one) ?? 0) >= most)) return undefined;
      total += 1;
      for (const [one] of whose) count(one, 1);
      let left = false;
      return {
        leave() {
          if (left) return;
          left = true;
          total -= 1;
          for (const [one] of whose) count(one, -1);
        },
      };
    },
  };
};

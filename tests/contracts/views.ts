/** Rows and commits of a view, as the read store's cases write them. */
import type { Position } from '../../domain/kernel.ts';
import type { Shape } from '../../ports/projection.ts';
import type { Find, ReadStore, Row } from '../../ports/read-store.ts';

export const VIEW = 'orders@1+1';
export const SHAPE: Shape = {
  columns: { customer: 'text', day: 'text', state: 'text', amount: 'integer', sku: 'texts' },
  indexes: {
    customer: ['customer', 'day'],
    state: ['state'],
    amount: ['amount'],
    sku: ['sku', 'day'],
    'every-sku': ['sku'],
    'day-amount': ['day', 'amount'],
  },
};
export const at = (n: number): Position => String(n).padStart(16, '0') as Position;
export const row = (id: string, columns: Row['columns'], n = 1, doc: unknown = { id }): Row => ({
  id,
  doc,
  columns,
  at: at(n),
});
/** Commits `rows` from position `from` (0: none) to `to`. */
export const commit = (
  store: ReadStore,
  from: number,
  to: number,
  rows: readonly Row[],
  view = VIEW,
): Promise<'committed' | 'stale'> =>
  store.commit(view, { from: from === 0 ? undefined : at(from), to: at(to), rows });

/** Ids in the order found, over pages of `limit` (all in one page by default). */
export const found = async (
  store: ReadStore,
  query: Omit<Find, 'limit'> & { limit?: number },
  view = VIEW,
): Promise<string> => {
  const ids: string[] = [];
  for (let after: string | undefined; ;) {
    const page = await store.find(view, { limit: 100, ...query, ...(after === undefined ? {} : { after }) });
    ids.push(...page.rows.map(({ id }) => id));
    if (page.next === null) return ids.join(' ');
    after = page.next;
  }
};

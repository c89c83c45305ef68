/** Fences of one file: the highest token of each lease that it has seen. */
import type { Fence } from '../../ports/lease.ts';
import type { Step } from './writer.ts';

export const FENCES = `
  create table if not exists fences (lease text primary key, token integer not null) strict, without rowid`;

/** Steps that refuse a lower token than the highest so far, and keep a higher one. */
export const fenced = (fence: Fence | undefined): readonly Step[] =>
  fence
    ? [
        {
          sql: 'select 1 where not exists (select 1 from fences where lease = ? and token > ?)',
          values: [fence.lease, fence.token],
          changes: 1,
        },
        {
          sql: `insert into fences (lease, token) values (?, ?)
            on conflict (lease) do update set token = excluded.token where excluded.token > fences.token`,
          values: [fence.lease, fence.token],
        },
      ]
    : [];

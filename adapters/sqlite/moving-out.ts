/** What a data folder keeps beside its events, read to be kept elsewhere. */
import type { EventEnvelope } from '../../domain/kernel.ts';
import type { BlockedLane } from '../../ports/blocked-lanes.ts';
import type { Control } from '../../ports/controls.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { Scheduled } from '../../ports/schedule.ts';
import { BOOKKEEPING } from './bookkeeping.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { openFile, type SqliteFile } from './file.ts';
import { KEYS } from './key-store.ts';

export type Belongings = Readonly<{
  checkpoints(): Iterable<Readonly<{ group: string; partition: string; position: string }>>;
  scheduled(): Iterable<Scheduled & Readonly<{ schedule: string }>>;
  lanes(): Iterable<BlockedLane>;
  /** `lane`: the id of the one that it waits in. */
  waiting(): Iterable<Readonly<{ lane: string; event: EventEnvelope }>>;
  /** What was asked and has not ended. */
  controls(): Iterable<Control>;
  keys(): Iterable<Readonly<{ subject: string; wrapped: string }>>;
  /** Of the master key. */
  proof(): string | undefined;
  close(): Promise<void>;
}>;

const PAGE = 500;

/** Rows in the order of their row ids or keys, some in memory at a time. `next`: what a page begins behind. */
function* paged(
  file: SqliteFile,
  sql: string,
  start: readonly SqlValue[],
  next: (row: SqlRow) => readonly SqlValue[],
): Generator<SqlRow> {
  for (let after = start; ;) {
    const rows = file.all(`${sql} limit ${PAGE}`, ...after);
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    after = next(last);
  }
}
function* mapped<T>(rows: Iterable<SqlRow>, of: (row: SqlRow) => T): Generator<T> {
  for (const row of rows) yield of(row);
}

/** `store`: whose checkpoints count. Nobody else is to write meanwhile. */
export const openBelongings = ({
  bookkeeping,
  keys,
  store,
}: Readonly<{ bookkeeping: string; keys: string; store: string }>): Belongings => {
  const unavailable = StoreUnavailable;
  const books = openFile({ path: bookkeeping, what: 'the bookkeeping', schema: BOOKKEEPING, unavailable });
  const kept = openFile({ path: keys, what: 'the key store', schema: KEYS, unavailable });
  const of = (row: SqlRow, name: string): string => row[name] as string;
  return {
    checkpoints: () =>
      mapped(
        books.all('select consumer, partition, position from checkpoints where store = ?', store),
        (row) => ({
          group: of(row, 'consumer'),
          partition: of(row, 'partition'),
          position: of(row, 'position'),
        }),
      ),
    scheduled: () =>
      mapped(
        paged(
          books,
          `select schedule, key, due_at from schedules where (schedule, key) > (?, ?) order by schedule, key`,
          ['', ''],
          (row) => [row.schedule!, row.key!],
        ),
        (row) => ({ schedule: of(row, 'schedule'), key: of(row, 'key'), dueAt: of(row, 'due_at') }),
      ),
    lanes: () =>
      mapped(
        paged(books, 'select id, lane from blocked_lanes where id > ? order by id', [''], (row) => [row.id!]),
        (row) => JSON.parse(of(row, 'lane')) as BlockedLane,
      ),
    waiting: () =>
      mapped(
        paged(
          books,
          `select lane, position, event_id, event from waiting_events
            where (lane, position, event_id) > (?, ?, ?) order by lane, position, event_id`,
          ['', '', ''],
          (row) => [row.lane!, row.position!, row.event_id!],
        ),
        (row) => ({ lane: of(row, 'lane'), event: JSON.parse(of(row, 'event')) as EventEnvelope }),
      ),
    controls: () =>
      mapped(
        paged(
          books,
          `select id, control from controls where ended_at is null and target <> 'process' and id > ? order by id`,
          [''],
          (row) => [row.id!],
        ),
        (row) => JSON.parse(of(row, 'control')) as Control,
      ),
    keys: () =>
      mapped(
        paged(kept, 'select subject, wrapped from keys where subject > ? order by subject', [''], (row) => [
          row.subject!,
        ]),
        (row) => ({ subject: of(row, 'subject'), wrapped: of(row, 'wrapped') }),
      ),
    proof: () => kept.get('select text from proof')?.text as string | undefined,
    async close() {
      await books.close();
      await kept.close();
    },
  };
};

/** Bookkeeping that is made that of another event store, into which the events of its own were copied. */
import type { Position } from '../../domain/kernel.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { BOOKKEEPING } from './bookkeeping.ts';
import type { SqlRow } from './driver.ts';
import { openFile, type SqliteFile } from './file.ts';
import type { Step } from './writer.ts';

/** `from`, `to`: ids of the stores. `groups`: those that may have no checkpoint here. `reached`: how far one has come. */
export type CarryOver = Readonly<{
  from: string;
  to: string;
  groups: readonly string[];
  reached(group: string): Promise<Position | undefined>;
  /** Where the event at a position of `from` stands in `to`. */
  placeOf(position: Position): Promise<Position>;
}>;
/** `events`: those that wait in blocked lanes. */
export type CarriedOver = Readonly<{ groups: number; lanes: number; events: number }>;

export type Bookkeeping = Readonly<{
  /** To which store it was carried over from `store`. */
  carriedTo(store: string): string | undefined;
  /** Names of leases that are held, with what changes while their holder lives. */
  held(): ReadonlyMap<string, string>;
  /** All of it or nothing, also when it is killed; 'moved' when somebody has written a checkpoint meanwhile. */
  carryOver(how: CarryOver): Promise<CarriedOver | 'moved'>;
  close(): Promise<void>;
}>;

const BEGINNING = '';
/** What fills a log: another one begins with the first event. */
const isForward = (group: string): boolean => group.startsWith('forward/');
const WAY = 'all';

/** Refused when it has moved. */
const taken = ({ consumer, partition, position, store }: SqlRow): Step => ({
  sql: 'delete from checkpoints where consumer = ? and partition = ? and position = ? and store = ?',
  values: [consumer!, partition!, position!, store!],
  changes: 1,
});

/** Of each group one checkpoint, behind which it goes on whatever it follows. */
const checkpoints = async (
  file: SqliteFile,
  { from, to, groups: others, reached, placeOf }: CarryOver,
): Promise<Readonly<{ steps: readonly Step[]; groups: number }>> => {
  const kept = file.all('select consumer, partition, position, store from checkpoints where store = ?', from);
  const steps: Step[] = [
    ...kept.map(taken),
    { sql: 'select 1 from checkpoints where store = ?', values: [from], changes: 0 },
  ];
  const groups = new Set([...others, ...kept.map(({ consumer }) => consumer as string)]);
  let carried = 0;
  for (const group of groups) {
    if (isForward(group)) continue;
    const own = kept.find(({ consumer, partition }) => consumer === group && partition === WAY)?.position;
    const at = (await reached(group)) ?? own;
    if (at === undefined) continue;
    const position = at === BEGINNING ? BEGINNING : await placeOf(at as Position);
    steps.push({
      sql: 'insert into checkpoints (consumer, partition, position, store) values (?, ?, ?, ?)',
      values: [group, WAY, position, to],
    });
    carried += 1;
  }
  return { steps, groups: carried };
};

/** What waits is ordered by its position, and knows it. */
const lanes = async (file: SqliteFile, { placeOf }: CarryOver): Promise<readonly Step[]> => {
  const steps: Step[] = [];
  const place = async (position: unknown): Promise<string> =>
    position === BEGINNING ? BEGINNING : placeOf(position as Position);
  for (const { id, position } of file.all(
    `select id, lane ->> '$.event.position' as position from blocked_lanes`,
  ))
    steps.push({
      sql: `update blocked_lanes set lane = json_set(lane, '$.event.position', ?) where id = ?`,
      values: [await place(position), id!],
      changes: 1,
    });
  for (const { lane, event_id: eventId, position } of file.all(
    'select lane, event_id, position from waiting_events',
  )) {
    const moved = await place(position);
    steps.push({
      sql: `update waiting_events set position = ?, event = json_set(event, '$.position', ?)
        where lane = ? and event_id = ?`,
      values: [moved, moved, lane!, eventId!],
      changes: 1,
    });
  }
  return steps;
};

/** Who was paused and comes back is refused, and whoever is next need not wait. */
const REPLACED: readonly Step[] = [
  { sql: `update leases set holder = '', token = token + 1, beat = 0`, values: [] },
  {
    sql: `insert into fences (lease, token) select name, token from leases where true
      on conflict (lease) do update set token = max(fences.token, excluded.token)`,
    values: [],
  },
];

export const openBookkeepingToCarry = (path: string): Bookkeeping => {
  const file = openFile({
    path,
    what: 'the bookkeeping',
    schema: BOOKKEEPING,
    unavailable: StoreUnavailable,
  });
  const count = (table: string): number => Number(file.get(`select count(*) as n from ${table}`)?.n);
  return {
    carriedTo: (store) =>
      file.get('select to_store from carried where store = ?', store)?.to_store as string | undefined,
    held: () =>
      new Map(
        file
          .all(`select name, holder, token, beat from leases where holder <> ''`)
          .map(({ name, holder, token, beat }) => [name as string, [holder, token, beat].join()]),
      ),
    async carryOver(how) {
      const carried = { lanes: count('blocked_lanes'), events: count('waiting_events') };
      const { steps, groups } = await checkpoints(file, how);
      const written = await file.write(
        ...steps,
        ...(await lanes(file, how)),
        { sql: 'select 1 from blocked_lanes', values: [], changes: carried.lanes },
        { sql: 'select 1 from waiting_events', values: [], changes: carried.events },
        // It can be made again.
        { sql: 'delete from snapshots', values: [] },
        ...REPLACED,
        { sql: 'insert into carried (store, to_store) values (?, ?)', values: [how.from, how.to] },
      );
      return written.ok ? { groups, ...carried } : 'moved';
    },
    close: () => file.close(),
  };
};

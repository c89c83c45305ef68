/**
 * Views on MongoDB. Without transactions: a commit first claims its place in the build's document (checkpoint and token),
 * then writes rows, each guarded by its position, and moves the checkpoint last, by compare-and-set. A crash between
 * leaves rows that are ahead of the checkpoint, whose `at` says so: who folds on skips what is in them already.
 */
import { MongoBulkWriteError, ObjectId, type Collection, type Db } from 'mongodb';
import type { Position } from '../../domain/kernel.ts';
import { OtherStore, StoreUnavailable } from '../../ports/event-store.ts';
import type { Fence } from '../../ports/lease.ts';
import type { Shape } from '../../ports/projection.ts';
import type {
  Activation,
  Build,
  ChangeCursor,
  Changes,
  Find,
  Found,
  ReadStore,
  Row,
  Scan,
  Scanned,
  View,
} from '../../ports/read-store.ts';
import type { Clock } from '../../ports/system.ts';
import { createChanges } from '../changes.ts';
import { behind, checkColumns } from '../row-order.ts';
import { activationOf, activationWithout, nameOf } from '../view-builds.ts';
import { DATABASE, databaseIn, isDuplicate, makeIndexes, openDatabase, unlessThere } from './connection.ts';
import { isKept, keeping, notPast } from './fences.ts';
import { checkNames, findRows, indexesOf, rowOf, rowWrite, type RowDocument } from './view-rows.ts';

/** How long a commit by another process may go unseen. */
const LOOK_EVERY_MS = 50;
/** FerretDB holds a connection for each update of a command, and has a hundred. */
const ROWS_AT_ONCE = 50;
const ROWS_MS = 30_000;

/**
 * `rows`: the collection of its rows, another one each time that the build is made: what a writer from before may still
 * write is nobody's. `dropping`: it is as good as gone.
 */
type BuildDocument = {
  _id: View;
  name: string;
  store: string;
  shape: Shape;
  rows: string;
  checkpoint: Position | null;
  dropping?: true;
  fences?: Record<string, number>;
};
/** `changes`: how often it was written. */
type ActiveDocument = { _id: string; view: View; previous: View | null; changes: number };
type Known = Readonly<{ document: BuildDocument; rows: Collection<RowDocument> }>;

/** Which step of an ordered bulk write was the first that failed; the ones before it are done. */
const indexOfRefused = (error: unknown): number | undefined =>
  error instanceof MongoBulkWriteError ? [error.writeErrors].flat()[0]?.index : undefined;

const activationIn = (found: ActiveDocument | null): Activation | undefined =>
  found ? { view: found.view, ...(found.previous === null ? {} : { previous: found.previous }) } : undefined;

/** Of the event store with the id `store`: a collection for each build. A majority has what was committed. */
export const openMongoReadStore = ({
  url,
  store,
  clock,
}: Readonly<{ url: string; store: string; clock: Clock }>): ReadStore => {
  const { run, close } = openDatabase({
    url,
    database: databaseIn(url) ?? DATABASE,
    what: 'the views on MongoDB',
    clock,
    indexes: { builds: [{ key: { name: 1 } }] },
    unavailable: StoreUnavailable,
  });
  const builds = (db: Db) => db.collection<BuildDocument>('builds');
  const actives = (db: Db) => db.collection<ActiveDocument>('active');
  /** Compare-and-set of what is active; false when it is no longer as it was found. */
  const swapActive = async (
    db: Db,
    { _id, changes: seen }: ActiveDocument,
    to: Partial<Pick<ActiveDocument, 'view' | 'previous'>>,
  ): Promise<boolean> => {
    const written = actives(db).updateOne({ _id, changes: seen }, { $set: to, $inc: { changes: 1 } });
    return (await written).matchedCount === 1;
  };
  const changes = createChanges({
    clock,
    everyMs: LOOK_EVERY_MS,
    version: () =>
      run(async (db) => {
        const order = { _id: 1 } as const;
        const seen = await Promise.all([
          builds(db)
            .find({}, { projection: { checkpoint: 1, rows: 1 } })
            .sort(order)
            .toArray(),
          actives(db)
            .find({}, { projection: { changes: 1 } })
            .sort(order)
            .toArray(),
        ]);
        return JSON.stringify(seen);
      }),
  });

  const known = async (db: Db, view: View): Promise<Known | undefined> => {
    const document = await builds(db).findOne({ _id: view });
    if (!document || document.dropping) return undefined;
    if (document.store !== store) throw new OtherStore(`the view ${view}`, document.store, store);
    return { document, rows: db.collection<RowDocument>(document.rows) };
  };
  /** What `read` finds in a build; undefined where there is no such build. */
  const within = <T>(view: View, read: (rows: Collection<RowDocument>, build: BuildDocument) => Promise<T>) =>
    run(async (db) => {
      const build = await known(db, view);
      return build && read(build.rows, build.document);
    });
  const checkpointOf = async (view: View): Promise<Position | undefined> =>
    (await run((db) => known(db, view)))?.document.checkpoint ?? undefined;

  /** Matches the build as it was found, still at `from`, and not taken over. */
  const stillAt = ({ _id, rows }: BuildDocument, from: Position | undefined, fence: Fence | undefined) => ({
    _id,
    rows,
    dropping: { $exists: false },
    checkpoint: from ?? null,
    ...notPast(fence),
  });
  /** In the order given. */
  const writeRows = async (
    { rows, document: { shape } }: Known,
    written: readonly Row[],
    fence: Fence | undefined,
  ): Promise<void> => {
    const steps = written.map((one) => rowWrite(shape, one, fence));
    for (let done = 0; done < steps.length;)
      try {
        await rows.bulkWrite(steps.slice(done), { ordered: true });
        return;
      } catch (error) {
        const refused = isDuplicate(error) ? indexOfRefused(error) : undefined;
        if (refused === undefined) throw error;
        // What is there is as new: on behind it.
        done += refused + 1;
      }
  };
  const row = <D>(view: View, id: string): Promise<Row<D> | undefined> =>
    within(view, async (rows, { shape }) => {
      const found = await rows.findOne({ _id: id });
      return found ? rowOf<D>(shape, found) : undefined;
    });
  const remove = async (db: Db, { _id, rows }: BuildDocument): Promise<void> => {
    await db.collection(rows).drop();
    await builds(db).deleteOne({ _id, rows });
  };

  return {
    async make(view, { columns, indexes }) {
      checkNames({ columns, indexes });
      await run(async (db) => {
        if (await known(db, view)) return;
        const left = await builds(db).findOne({ _id: view });
        if (left) await remove(db, left);
        const shape = { columns, indexes };
        const rows = `${view}~${new ObjectId().toHexString().slice(-8)}`;
        await makeIndexes(db.collection<RowDocument>(rows), indexesOf(shape));
        const document = { _id: view, name: nameOf(view), store, shape, rows, checkpoint: null };
        // Another process may have made it at the same time: then its rows count.
        if (!(await unlessThere(builds(db).insertOne(document)))) await db.collection(rows).drop();
      }, ROWS_MS);
    },

    async get<D>(view: View, id: string) {
      return (await row<D>(view, id))?.doc ?? undefined;
    },
    row,
    async find<D>(view: View, query: Find): Promise<Found<D>> {
      const found = await within(view, (rows, { shape }) => findRows<D>(rows, shape, query));
      return found ?? { rows: [], next: null };
    },

    async scan<D>(view: View, { after, to, limit }: Scan): Promise<Scanned<D>> {
      const bounds = {
        $gte: '',
        ...(after === undefined ? {} : { $gt: after }),
        ...(to === undefined ? {} : { $lte: to }),
      };
      // The checkpoint first: rows may be ahead of it, never behind.
      const found = await within(view, async (rows, { checkpoint, shape }) => {
        const scanned = rows.find({ _id: bounds, _doc: { $ne: null } }).sort({ _id: 1 });
        return {
          checkpoint,
          rows: (await scanned.limit(limit + 1).toArray()).map((one) => rowOf<D>(shape, one)),
        };
      });
      const rows = (found?.rows ?? []).slice(0, limit);
      const more = (found?.rows.length ?? 0) > limit;
      return {
        rows,
        next: more ? (rows.at(-1)?.id ?? null) : null,
        checkpoint: found?.checkpoint ?? undefined,
      };
    },

    checkpoint: checkpointOf,

    async commit(view, { from, rows: written, to, fence }) {
      const build = await run((db) => known(db, view));
      if (!build || (build.document.checkpoint ?? undefined) !== from) return 'stale';
      for (const { columns } of written) checkColumns(build.document.shape, columns);
      const here = stillAt(build.document, from, fence);
      if (fence && !isKept(build.document, fence)) {
        const claimed = await run((db) => builds(db).updateOne(here, keeping(fence)));
        if (claimed.matchedCount === 0) return 'stale';
      }
      for (let done = 0; done < written.length; done += ROWS_AT_ONCE)
        await run(() => writeRows(build, written.slice(done, done + ROWS_AT_ONCE), fence), ROWS_MS);
      const moved = await run((db) => builds(db).updateOne(here, { $set: { checkpoint: to } }));
      if (moved.matchedCount === 0) return 'stale';
      changes.tell();
      return 'committed';
    },

    async changesSince<D>(cursor: ChangeCursor, limit: number): Promise<Changes<D> | 'restart'> {
      const { view, position, rowId } = cursor;
      const found = await within(view, async (rows, { checkpoint, shape }) => {
        const reached = { $lte: checkpoint ?? ('' as Position) };
        const later = { _at: { ...reached, $gt: position } };
        const further = { _at: { ...reached, $eq: position }, _id: { $gt: rowId } };
        const changed = rows.find({ $or: [later, further] }).sort({ _at: 1, _id: 1 });
        return (await changed.limit(limit).toArray()).map((one) => rowOf<D>(shape, one));
      });
      return found ? { rows: found, next: behind(cursor, found) } : 'restart';
    },
    onChange: changes.listen,

    active: async (name) => activationIn(await run((db) => actives(db).findOne({ _id: name }))),
    async activate(name, view, seen) {
      const outcome = await run(async (db) => {
        // Read before the build is: who drops it changes this after it has marked the build.
        const found = await actives(db).findOne({ _id: name });
        const current = activationIn(found);
        if (current?.view !== seen?.view) return 'changed';
        const build = await known(db, view);
        if (!build) return 'behind'; // nobody is to see one that is gone
        const reached = build.document.checkpoint ?? undefined;
        const needed = current && ((await known(db, current.view))?.document.checkpoint ?? undefined);
        const next = activationOf(current, view, reached, needed);
        if (next === 'behind') return 'behind';
        const set = { view: next.view, previous: next.previous ?? null };
        const written = found
          ? await swapActive(db, found, set)
          : await unlessThere(actives(db).insertOne({ _id: name, ...set, changes: 0 }));
        return written ? 'activated' : 'changed';
      });
      changes.tell();
      return outcome;
    },
    async builds(name) {
      const found = await run((db) => builds(db).find({ name, store }).toArray());
      return found.map(({ _id, checkpoint }): Build => ({ view: _id, checkpoint: checkpoint ?? undefined }));
    },
    async drop(view) {
      const name = nameOf(view);
      await run(async (db) => {
        const document = await builds(db).findOne({ _id: view });
        activationWithout(activationIn(await actives(db).findOne({ _id: name })), view);
        await builds(db).updateOne({ _id: view }, { $set: { dropping: true } });
        for (let kept = false; !kept;) {
          const found = await actives(db).findOne({ _id: name });
          let left: Activation | undefined;
          try {
            left = activationWithout(activationIn(found), view);
          } catch (error) {
            // Activated in that moment: it stays.
            await builds(db).updateOne({ _id: view }, { $unset: { dropping: true } });
            throw error;
          }
          // Written in any case: who has seen what was there, and is about to activate this build, is refused.
          kept = !found || (await swapActive(db, found, { previous: left?.previous ?? null }));
        }
        if (document) await remove(db, document);
      }, ROWS_MS);
    },
    close,
  };
};

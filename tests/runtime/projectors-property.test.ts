import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryLeases } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { memoryReadStore } from '../../adapters/memory/read-store.ts';
import { categoryOf, type EventEnvelope, type Position } from '../../domain/kernel.ts';
import { projectionsOf } from '../../projections/index.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Projection } from '../../ports/projection.ts';
import type { Commit, ReadStore } from '../../ports/read-store.ts';
import { createLeased } from '../../runtime/lease.ts';
import { runProjection } from '../../runtime/view/project.ts';
import { CATEGORIES, samplesIn } from '../domain/golden/samples.ts';
import { fakeClock } from '../fake-clock.ts';
import { folding } from '../projections/folding.ts';
import { quietLog } from '../quiet-log.ts';
import { process, type Process } from './process.ts';
import { LEASE_MS, START } from './world.ts';

const test = suite('views: projectors of one view');
const PAGE_EVENTS = 3;
const MOST_AT_ONCE = 2;
const VIEWS = projectionsOf('Europe/London');
const SAMPLES = Object.keys(CATEGORIES).flatMap((category) => samplesIn(category));
const STREAMS = [...new Set(SAMPLES.map(({ stream }) => stream))];

type Step =
  | Readonly<{ do: 'append'; stream: number; events: number }>
  | Readonly<{ do: 'advance'; ms: number }>
  | Readonly<{ do: 'start' | 'pause' | 'resume' | 'kill' | 'halve'; which: number }>;
const onProcess = (act: 'start' | 'pause' | 'resume' | 'kill' | 'halve', most = 3) =>
  fc.record({ do: fc.constant(act), which: fc.nat(most) });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      stream: fc.nat(STREAMS.length - 1),
      events: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 8_000 }) }),
  },
  { weight: 2, arbitrary: onProcess('start') },
  { weight: 2, arbitrary: onProcess('pause') },
  { weight: 2, arbitrary: onProcess('resume') },
  { weight: 1, arbitrary: onProcess('kill') },
  { weight: 2, arbitrary: onProcess('halve', 6) },
);

/** Small pages, so that there are many commits. */
const inSmallPages = (store: EventStore, of: Process): EventStore => ({
  ...store,
  async readAll(after, options) {
    await of.runs();
    return store.readAll(after, { ...options, limit: PAGE_EVENTS });
  },
  async *subscribe(after, options) {
    for await (const page of store.subscribe(after, { ...options, limit: PAGE_EVENTS })) {
      await of.runs();
      yield page;
    }
  },
});

const concerning = ({ categories }: Projection<never>, events: readonly EventEnvelope[]) =>
  events.filter(({ stream }) => (categories as readonly string[]).includes(categoryOf(stream)));

/** One view, the processes that keep it up, and what each view should be. */
const shop = (projection: Projection<never>) => {
  const clock = fakeClock(START);
  const store = memoryEventStore();
  const leases = memoryLeases();
  const reads = memoryReadStore();
  const processes: Process[] = [];
  const left = new Map(STREAMS.map((stream) => [stream, SAMPLES.filter((event) => event.stream === stream)]));
  /** Of the next commit that many rows are written, and nothing else: its process is gone then. */
  let halve: number | undefined;
  let halves = 0;
  let started = 0;

  /** What readers have seen of each build. */
  const seen = new Map<string, Position>();
  const wrong: string[] = [];
  const look = async (view: string): Promise<void> => {
    const { rows, checkpoint } = await reads.scan(view, { limit: 10_000 });
    const places = [...rows.map((row) => [row.id, row.at] as const), ['', checkpoint] as const];
    for (const [what, at] of places) {
      const before = seen.get(`${view} ${what}`);
      if (before !== undefined && (at === undefined || at < before)) wrong.push(`${view} ${what} went back`);
      if (at !== undefined) seen.set(`${view} ${what}`, at);
    }
  };

  const readsOf = (of: Process): ReadStore => {
    const ours = of.of(reads, 'make', 'row', 'checkpoint', 'active', 'activate', 'builds', 'drop');
    return {
      ...ours,
      async commit(view, commit: Commit) {
        await of.runs();
        if (halve === undefined) {
          const done = await reads.commit(view, commit);
          await look(view);
          await of.runs();
          return done;
        }
        const rows = commit.rows.slice(0, halve);
        [halve, halves] = [undefined, halves + 1];
        await reads.commit(view, { ...commit, rows, to: commit.from as Position });
        of.kill();
        await of.runs();
        return 'stale';
      },
    };
  };
  const start = (): void => {
    const of = process(`process ${(started += 1)}`, clock);
    processes.push(of);
    const leased = createLeased({
      leases: of.of(leases, 'read', 'take', 'renew', 'release'),
      holder: of.name,
      ttlMs: LEASE_MS,
      clock: of.clock,
      log: quietLog,
    });
    const deps = {
      store: inSmallPages(store, of),
      reads: readsOf(of),
      clock: of.clock,
      log: quietLog,
      leased,
    };
    runProjection(deps, projection);
  };
  const alive = (): readonly Process[] => processes.filter((one) => one.state() !== 'killed');
  const append = async (stream: string, count: number): Promise<void> => {
    const events = left.get(stream)!.splice(0, count);
    const [first] = events;
    if (!first) return;
    const fresh = events.map(
      ({ stream: _stream, revision: _revision, position: _position, ...event }) => event,
    );
    const done = await store.append(stream, first.revision === 0 ? 'none' : first.revision - 1, fresh);
    assert.ok(done.ok);
  };
  const all = async (): Promise<readonly EventEnvelope[]> => {
    const events: EventEnvelope[] = [];
    for (let after: Position | undefined, atTail = false; !atTail;) {
      const page = await store.readAll(after);
      events.push(...page.events);
      ({ scanned: after, atTail } = page);
    }
    return events;
  };
  /** The rows as readers see them; undefined while they see none, or not all. */
  const rows = async () => {
    const active = await reads.active(projection.name);
    if (!active) return undefined;
    const found = await reads.scan(active.view, { limit: 10_000 });
    const last = concerning(projection, await all()).at(-1);
    return !last || (found.checkpoint ?? '') >= last.position ? found.rows : undefined;
  };
  return {
    clock,
    start,
    alive,
    append,
    all,
    rows,
    arm: (rowsWritten: number) => void (halve = rowsWritten),
    disarm: () => void (halve = undefined),
    halves: () => halves,
    wrong,
  };
};
/** As one projector that nothing ever happened to would have them. */
const folded = async (projection: Projection<never>, events: readonly EventEnvelope[]) => {
  const { rows, fold } = folding(projection);
  for (const event of concerning(projection, events)) await fold([event]);
  return [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
};

const settled = async (one: ReturnType<typeof shop>) => {
  one.disarm();
  for (const of of one.alive()) of.resume();
  for (let spentMs = 0; spentMs < 120_000; spentMs += 500) {
    // Looked at each time: one that is in the midst of half a commit dies of it only now.
    if (one.alive().length === 0) one.start();
    const rows = await one.rows();
    if (rows) return rows;
    await one.clock.advance(500);
  }
  throw new Error('the view does not catch up');
};

test('they start, pause, wake and die, also with some rows of a commit written: rows equal the fold', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...VIEWS),
      fc.array(step, { minLength: 10, maxLength: 60 }),
      async (projection, steps) => {
        const here = shop(projection);
        await here.append(STREAMS[0]!, 1);
        here.start();
        for (const one of steps) {
          if (one.do === 'append') await here.append(STREAMS[one.stream]!, one.events);
          else if (one.do === 'advance') await here.clock.advance(one.ms);
          else if (one.do === 'halve') here.arm(one.which);
          else if (one.do === 'start') {
            if (here.alive().length < MOST_AT_ONCE) here.start();
          } else if (here.alive().length > 0)
            here.alive()[one.which % here.alive().length]?.[one.do as 'pause' | 'resume' | 'kill']();
        }
        assert.equal(await settled(here), await folded(projection, await here.all()));
        assert.equal(here.wrong, []);
      },
    ),
    { numRuns: 150 },
  );
});

for (const projection of VIEWS)
  test(`${projection.name}: after a crash at every write between rows and checkpoint its rows equal the fold`, async () => {
    let crashes = 0;
    for (let rowsWritten = 0; rowsWritten <= 3; rowsWritten++) {
      const here = shop(projection);
      await here.append(STREAMS[0]!, 1);
      here.start();
      for (const stream of STREAMS)
        for (let events = 0; events < 40; events += 4) {
          const before = here.halves();
          here.arm(rowsWritten);
          await here.append(stream, 4);
          await here.clock.advance(1_000);
          if (here.halves() > before) {
            here.start();
            await here.clock.advance(2 * LEASE_MS);
          }
        }
      assert.equal(await settled(here), await folded(projection, await here.all()));
      crashes += here.halves();
    }
    assert.ok(crashes > 4, `${crashes} crashes`);
  });

test.run();

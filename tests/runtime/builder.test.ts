import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryReadStore } from '../../adapters/memory/read-store.ts';
import type { Position } from '../../domain/kernel.ts';
import type { OperationsEvent } from '../../domain/operations/operations.ts';
import type { Projection } from '../../ports/projection.ts';
import { createLeased } from '../../runtime/lease.ts';
import { runBuilder } from '../../runtime/view/builder.ts';
import { createPacer } from '../../runtime/view/pacer.ts';
import { runProjection } from '../../runtime/view/project.ts';
import { BuildRefused } from '../../runtime/view/rebuild.ts';
import { decimalDistance } from '../../runtime/feed/store-feed.ts';
import type { RecordOperation } from '../../shop/operations-log.ts';
import { auditBuilds, createViewBuilds } from '../../shop/view-builds.ts';
import { dice } from '../crash/customers.ts';
import { quietLog } from '../quiet-log.ts';
import { process, type Process } from './process.ts';
import { LEASE_MS, world } from './world.ts';

const test = suite('builds of views');
const by = (reason: string) => ({ actor: { id: 'olga', role: 'operator' }, reason }) as const;

type Counted = Readonly<{ stream: string; events: number }>;
/** Counts events of a stream, by `step`. */
const counting = (version = 1, step = 1): Projection<never> => {
  const projection: Projection<Counted> = {
    name: 'counted',
    version,
    categories: ['order'],
    columns: { events: 'integer' },
    indexes: { events: ['events'] },
    idsOf: ({ stream }) => [stream],
    apply: (doc, { stream }) => ({ stream, events: (doc?.events ?? 0) + step }),
    columnsOf: ({ events }) => ({ events }),
  };
  return projection as unknown as Projection<never>;
};

const views = (projection = counting()) => {
  const w = world();
  const reads = memoryReadStore();
  const recorded: OperationsEvent[] = [];
  const commands = new Set<string>();
  const deps = { store: w.store, reads, clock: w.clock, distance: decimalDistance(1) };
  let ids = 0;
  const record: RecordOperation = async (event, _actor, commandId) => {
    if (!commands.has(commandId)) recorded.push(event);
    commands.add(commandId);
  };
  const operationsOf = (code = projection) =>
    createViewBuilds({
      ...deps,
      controls: w.controls,
      projections: [code],
      present: async () => [],
      record,
      newId: () => `build-${String((ids += 1)).padStart(4, '0')}`,
    });
  /** A process that carries out what is asked. Writes to the store's small pages take their time. */
  const builder = (of?: Process, code = projection, share = 1) => {
    const clock = of?.clock ?? w.clock;
    const leases = of ? of.of(w.leases, 'read', 'take', 'renew', 'release') : w.leases;
    return runBuilder(
      {
        store: {
          ...w.store,
          async readAll(after, options) {
            await clock.sleep(5);
            return w.store.readAll(after, { ...options, limit: 3 });
          },
        },
        reads: of
          ? of.of(reads, 'make', 'commit', 'checkpoint', 'active', 'activate', 'builds', 'drop', 'scan')
          : reads,
        clock,
        distance: deps.distance,
        controls: of ? of.of(w.controls, 'ask', 'get', 'open', 'report') : w.controls,
        leased: createLeased({
          leases,
          holder: of?.name ?? 'builder',
          ttlMs: LEASE_MS,
          clock,
          log: quietLog,
        }),
        pacer: createPacer(clock, share),
        log: quietLog,
        audit: auditBuilds(record),
      },
      [code],
    );
  };
  const projector = (code = projection) =>
    runProjection({ ...deps, log: quietLog, leased: w.leased() }, code);
  const rows = async (view: string): Promise<Readonly<Record<string, number>>> =>
    Object.fromEntries(
      (await reads.scan<Counted>(view, { limit: 1_000 })).rows.map(({ id, doc }) => [id, doc!.events]),
    );
  const live = async (): Promise<string | undefined> => (await reads.active('counted'))?.view;
  const readable = (view: string): Promise<void> =>
    w.advanceUntil(`${view} is live`, async () => (await live()) === view);
  const reportOf = async (operations = operationsOf()) => (await operations.list())[0]!;
  const built = (state: string): Promise<void> =>
    w.advanceUntil(`it is ${state}`, async () => (await reportOf()).build?.state === state);
  /** What `work` comes to, while time goes on. */
  const answer = async <T>(work: Promise<T>): Promise<T | string> => {
    let told: T | string | undefined;
    work.then(
      (value) => (told = value),
      (error: unknown) => (told = error instanceof BuildRefused ? error.code : String(error)),
    );
    await w.advanceUntil('it is answered', () => told !== undefined);
    return told!;
  };
  return {
    w,
    reads,
    recorded,
    operationsOf,
    builder,
    projector,
    rows,
    live,
    readable,
    reportOf,
    built,
    answer,
  };
};

test('a build is filled beside the live one, switched to, and gone back from; each is on record with who and why', async () => {
  const v = views();
  const operations = v.operationsOf();
  const [projector, builder] = [v.projector(), v.builder()];
  await v.w.happen('order-a', 'order-b', 'order-a');
  await v.readable('counted@1+1');
  const asked = await operations.rebuild('counted', {}, by('to see'));
  assert.is(asked?.state, 'asked');
  await v.w.happen('order-c');
  await v.built('ready');
  assert.is(await v.live(), 'counted@1+1');
  const { build } = await v.reportOf();
  assert.equal([build?.view, build?.share], ['counted@1+2', 1]);
  await v.w.happen('order-c');

  const switched = await v.answer(operations.activate('counted', by('it is better')));
  assert.equal(switched, { name: 'counted', view: 'counted@1+2', previous: 'counted@1+1' });
  assert.equal(await v.rows('counted@1+2'), { 'order-a': 2, 'order-b': 1, 'order-c': 2 });
  await v.w.happen('order-c');
  const back = await v.answer(operations.rollBack('counted', by('it is not')));
  assert.equal(back, { name: 'counted', view: 'counted@1+1', previous: 'counted@1+2' });
  assert.is((await v.rows('counted@1+1'))['order-c'], 3, 'it is not behind');
  assert.equal(
    v.recorded.map(({ type, data }) => [type, data.why]),
    [
      ['ViewRebuildStarted', 'to see'],
      ['ViewActivated', 'it is better'],
      ['ViewRolledBack', 'it is not'],
    ],
  );
  await Promise.all([projector.close(), builder.close()]);
});

test('what the builds do not allow is refused, and two things at once', async () => {
  const v = views();
  const operations = v.operationsOf();
  const [projector, builder] = [v.projector(), v.builder(undefined, undefined, 0.1)];
  await v.w.happen(...Array.from({ length: 60 }, (_, i) => `order-${i}`));
  await v.readable('counted@1+1');
  assert.is(await v.answer(operations.activate('counted', by('x'))), 'no_build');
  assert.is(await v.answer(operations.rollBack('counted', by('x'))), 'no_previous_build');
  assert.is(await v.answer(operations.drop('counted', by('x'))), 'no_build');
  for (const act of ['activate', 'rollBack', 'stop', 'drop'] as const)
    assert.is(await operations[act]('never', by('x')), undefined);
  assert.is(await operations.rebuild('never', {}, by('x')), undefined);

  await operations.rebuild('counted', {}, by('first'));
  await v.built('building');
  assert.is((await operations.rebuild('counted', {}, by('again')))?.view, 'counted@1+2');
  assert.is(await v.answer(operations.rebuild('counted', { compare: true }, by('x'))), 'build_running');
  assert.is(await v.answer(operations.activate('counted', by('x'))), 'build_running');

  const stopped = await operations.stop('counted', by('not now'));
  assert.is(stopped?.build?.state, 'begun');
  const { position } = (await v.reportOf()).build!;
  await v.w.clock.advance(60_000);
  assert.is((await v.reportOf()).build?.state, 'begun', 'nobody is at it');
  await operations.rebuild('counted', {}, by('now'));
  await v.built('ready');
  const { build } = await v.reportOf();
  assert.ok(build!.view === 'counted@1+2' && build!.position! > (position ?? ''), 'it went on');
  assert.is((await operations.drop('counted', by('no use')))?.build, undefined);
  assert.is((await v.reads.builds('counted')).length, 1);
  assert.equal(
    v.recorded.map(({ type, data }) => [type, data.why]),
    [
      ['ViewRebuildStarted', 'first'],
      ['ViewBuildStopped', 'not now'],
      ['ViewRebuildStarted', 'now'],
      ['ViewBuildDropped', 'no use'],
    ],
  );
  await Promise.all([projector.close(), builder.close()]);
});

test('while nobody runs who could it is asked, and done by who comes', async () => {
  const v = views();
  const operations = v.operationsOf();
  const projector = v.projector();
  await v.w.happen('order-a');
  await v.readable('counted@1+1');
  await operations.rebuild('counted', {}, by('x'));
  await v.w.clock.advance(30_000);
  assert.is((await v.reportOf()).build?.state, 'asked');
  const builder = v.builder();
  await v.built('ready');
  await builder.close();
  assert.is(await v.answer(operations.activate('counted', by('x'))), 'asked');
  const another = v.builder();
  await v.readable('counted@1+2');
  await Promise.all([projector.close(), another.close()]);
});

test('a bug in the code that is mended by version 2 is named row by row, and switched; one that throws fails in sight', async () => {
  const v = views(counting(1, 2));
  const projector = v.projector();
  await v.w.happen('order-a', 'order-b', 'order-a');
  await v.readable('counted@1+1');
  const mended = counting(2);
  const operations = v.operationsOf(mended);
  const builder = v.builder(undefined, mended);
  const share = 1;
  const ask = (more: object) =>
    operations.ask(mended, { do: 'rebuild', compare: true, share, ...more }, by('x'));
  const first = await ask({ activate: true });
  const ended = (id: string) => async (): Promise<boolean> =>
    (await v.w.controls.get(id))?.endedAt !== undefined;
  await v.w.advanceUntil('they are compared', ended(first.id));
  const { build } = await v.reportOf(operations);
  assert.equal([build?.state, build?.view, build?.comparison?.differences], ['ready', 'counted@2+1', 2]);
  assert.equal(build?.comparison?.first[0], {
    id: 'order-a',
    kind: 'different',
    paths: [
      { path: '/doc/events', before: '4', after: '2' },
      { path: '/columns/events', before: '4', after: '2' },
    ],
  });
  assert.is(await v.live(), 'counted@1+1', 'they differ');
  const switched: any = await v.answer(operations.activate('counted', by('that was the bug')));
  assert.is(switched.view, 'counted@2+1');
  assert.equal(await v.rows('counted@2+1'), { 'order-a': 2, 'order-b': 1 });
  // The code of the one before is gone here; where it is, it goes back.
  assert.is(await v.answer(operations.rollBack('counted', by('x'))), 'version_gone');
  await Promise.all([projector.close(), builder.close()]);
  await v.w.happen('order-b');
  const before = v.projector();
  await v.readable('counted@1+1');
  assert.equal(await v.rows('counted@1+1'), { 'order-a': 4, 'order-b': 4 });
  await before.close();
  const after = v.projector(mended);
  await v.readable('counted@2+1');
  assert.equal(await v.rows('counted@2+1'), { 'order-a': 2, 'order-b': 2 });
  await after.close();

  const thrower = {
    ...counting(3),
    apply: () => assert.unreachable('cannot fold'),
  } as unknown as Projection<never>;
  const failing = v.operationsOf(thrower);
  const failingBuilder = v.builder(undefined, thrower);
  await failing.rebuild('counted', {}, by('x'));
  await v.w.advanceUntil('it has failed', async () => (await v.reportOf(failing)).build?.state === 'failed');
  assert.match((await v.reportOf(failing)).build?.error ?? '', 'cannot fold');
  await failingBuilder.close();
});

for (const seed of [1, 2, 3])
  test(`killed twenty times at random while events come, it equals the continuous view (${seed})`, async () => {
    const v = views();
    const roll = dice(seed);
    const operations = v.operationsOf();
    const projector = v.projector();
    const streams = Array.from({ length: 400 }, (_, i) => `order-${i}`);
    await v.w.happen(...streams, ...streams);
    await v.readable('counted@1+1');
    const some = (): Promise<unknown> => v.w.happen(streams[Math.floor(roll() * streams.length)]!);
    const nowMs = (): number => v.w.clock.now().getTime();
    const request = { do: 'rebuild', compare: true, activate: true } as const;
    const asked = [await operations.ask(counting(), request, by('x'))];
    const last = async () => (await v.w.controls.get(asked.at(-1)!.id))!;
    for (let kills = 0; kills < 20; kills++) {
      const of = process(`builder ${kills}`, v.w.clock);
      v.builder(of);
      for (const endsMs = nowMs() + LEASE_MS + roll() * 1_500; nowMs() < endsMs;) {
        await some();
        await v.w.clock.advance(1 + Math.floor(roll() * 300));
      }
      of.kill();
      if ((await last()).endedAt !== undefined)
        asked.push(await operations.ask(counting(), request, by('x')));
    }
    const builder = v.builder();
    await v.w.advanceUntil('it is done', async () => (await last()).endedAt !== undefined);
    for (const { id } of asked) {
      const { comparison, switched, state } = (await v.w.controls.get(id))!.progress as any;
      assert.equal([state, comparison.differences, comparison.unsettled], ['done', 0, 0]);
      assert.is(switched.view, comparison.build);
    }
    await some();
    await v.w.clock.advance(2_000);
    const tally = new Map<string, number>();
    for (let after: Position | undefined, atTail = false; !atTail;) {
      const page = await v.w.store.readAll(after);
      for (const { stream } of page.events) tally.set(stream, (tally.get(stream) ?? 0) + 1);
      ({ scanned: after, atTail } = page);
    }
    assert.equal(await v.rows((await v.live())!), Object.fromEntries([...tally].sort()));
    assert.is(v.recorded.filter(({ type }) => type === 'ViewActivated').length, asked.length);
    assert.ok(asked.length < 15, `${asked.length} builds: most were killed on their way`);
    await Promise.all([projector.close(), builder.close()]);
  });

test.run();

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventLog } from '../../adapters/memory/event-log.ts';
import type { EventEnvelope } from '../../domain/kernel.ts';
import type { RunningConsumer } from '../../runtime/deliver/consume.ts';
import { process, type Process } from './process.ts';
import { LEASE_MS, name, VERDICTS, world } from './world.ts';

const test = suite('consume: members of a group');
const PARTITIONS = 3;
const STREAMS = 5;
const MOST_AT_ONCE = 3;

/** What happens to an event when it is tried the first, second, ... time. */
type Fault = keyof typeof VERDICTS;

type Step =
  | Readonly<{ do: 'append'; stream: number }>
  | Readonly<{ do: 'advance'; ms: number }>
  | Readonly<{ do: 'start' | 'stop' | 'pause' | 'resume' | 'kill'; which: number }>
  | Readonly<{ do: 'retry' }>;
const onProcess = (act: 'start' | 'stop' | 'pause' | 'resume' | 'kill') =>
  fc.record({ do: fc.constant(act), which: fc.nat(5) });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('append' as const), stream: fc.nat(STREAMS - 1) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 8_000 }) }),
  },
  { weight: 2, arbitrary: onProcess('start') },
  { weight: 1, arbitrary: onProcess('stop') },
  { weight: 2, arbitrary: onProcess('pause') },
  { weight: 2, arbitrary: onProcess('resume') },
  { weight: 1, arbitrary: onProcess('kill') },
  { weight: 1, arbitrary: fc.constant({ do: 'retry' as const }) },
);

type Member = Readonly<{ process: Process; running: Promise<RunningConsumer> }>;
/** A group of processes on one log and the same books. */
const group = (plans: readonly (readonly Fault[])[], concurrency: number) => {
  const w = world({ concurrency });
  const log = memoryEventLog(PARTITIONS);
  const members: Member[] = [];
  const appended: string[] = [];
  /** In the order in which handling ended well. */
  const handled: string[] = [];
  const wrong: string[] = [];
  const inLane = new Map<string, Set<Process>>();
  const tries = new Map<string, number>();
  const faults = new Map<unknown, Fault>();
  /** What is done with the member whose handler fails first. */
  const failed: { first?: (of: Process) => void } = {};
  /** Writes of members that had been replaced. */
  const refused = { count: 0 };
  let started = 0;

  const handle = async (of: Process, event: EventEnvelope, signal: AbortSignal): Promise<void> => {
    const here = inLane.get(event.stream) ?? new Set<Process>();
    inLane.set(event.stream, here);
    for (const other of here)
      if (other !== of && ![other, of].some((one) => one.wasPaused() || one.state() === 'killed'))
        wrong.push(`${other.name} and ${of.name} are at ${event.stream} at once`);
    here.add(of);
    try {
      await of.clock.sleep((event.revision * 37) % 90, signal);
      if (signal.aborted) throw new Error('stopped');
      const before = tries.get(name(event)) ?? 0;
      tries.set(name(event), before + 1);
      const fault = plans[(event.revision * 5 + Number(event.stream.at(-1))) % plans.length]?.[before];
      if (fault !== undefined) {
        const error = new Error(fault);
        faults.set(error, fault);
        throw error;
      }
      handled.push(name(event));
    } finally {
      here.delete(of);
    }
  };
  const start = (): void => {
    const of = process(`process ${(started += 1)}`, w.clock);
    const { clock } = of;
    const lanes = of.of(w.blockedLanes, 'block', 'enqueue', 'head', 'dequeue', 'get', 'find');
    const counting =
      <A extends unknown[], R>(write: (...given: A) => Promise<R | 'fenced'>) =>
      async (...given: A): Promise<R | 'fenced'> => {
        const answer = await write(...given);
        if (answer === 'fenced') refused.count += 1;
        return answer;
      };
    const running = w.start({
      clock,
      feed: log.feed({ clock, sessionMs: LEASE_MS }),
      consumer: {
        ...w.consumer,
        handle: (event, signal) => handle(of, event, signal),
        onFailure({ error }) {
          failed.first?.(of);
          delete failed.first;
          return VERDICTS[faults.get(error) ?? 'short'];
        },
      },
      blockedLanes: {
        ...lanes,
        block: counting(lanes.block),
        enqueue: counting(lanes.enqueue),
        dequeue: counting(lanes.dequeue),
      },
      controls: of.of(w.controls, 'ask', 'get', 'open', 'report'),
      audit: async (entry) => {
        await of.runs();
        w.audited.push(entry);
      },
    });
    members.push({ process: of, running });
  };
  const alive = (): readonly Member[] => members.filter(({ process: of }) => of.state() !== 'killed');
  const at = (which: number): Member | undefined => alive()[which % Math.max(1, alive().length)];
  const append = async (stream: string): Promise<void> => {
    appended.push(`${stream}@${appended.filter((other) => other.startsWith(stream)).length}`);
    const before = await w.store.tail();
    await w.happen(stream);
    await log.publisher.publish((await w.store.readAll(before)).events);
  };
  /** Whoever has closed, or is to, is one no more. */
  const stop = async (member: Member): Promise<void> => {
    members.splice(members.indexOf(member), 1);
    member.process.resume();
    const closed = member.running.then((running) => running.close());
    let over = false;
    void closed.then(() => (over = true));
    await w.advanceUntil('it has stopped', () => over);
  };
  const retryAll = async (): Promise<void> => {
    for (const { id } of (await w.blockedLanes.find({ state: 'parked' }, { limit: 100 })).items)
      void w.operate('retry', id);
  };
  const lag = async (): Promise<number> =>
    (await log.feed({ clock: w.clock, sessionMs: LEASE_MS }).lag('tester')).reduce(
      (sum, { events }) => sum + events,
      0,
    );
  return { w, refused, failed, handled, appended, wrong, alive, at, start, stop, append, retryAll, lag };
};

test('members come, go, pause and die: every event is handled, in order in its lane, by one member at a time', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 70 }),
      fc.array(fc.array(fc.constantFrom<Fault>('short', 'long', 'park'), { maxLength: 3 }), {
        minLength: 7,
        maxLength: 7,
      }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, plans, concurrency) => {
        const { w, handled, appended, wrong, alive, at, start, stop, append, retryAll, lag } = group(
          plans,
          concurrency,
        );
        start();
        for (const one of steps) {
          if (one.do === 'append') await append(`order-${one.stream}`);
          else if (one.do === 'advance') await w.clock.advance(one.ms);
          else if (one.do === 'retry') await retryAll();
          else if (one.do === 'start') {
            if (alive().length < MOST_AT_ONCE) start();
          } else {
            const member = at(one.which);
            if (member && one.do === 'stop') await stop(member);
            else if (member) member.process[one.do as 'pause' | 'resume' | 'kill']();
          }
        }
        for (const { process: of } of alive()) of.resume();
        if (alive().length === 0) start();
        await w.advanceUntil(
          'all is handled',
          async () => {
            await retryAll();
            return (
              appended.every((event) => handled.includes(event)) &&
              (await w.blockedLanes.find({}, { limit: 1 })).items.length === 0 &&
              (await lag()) === 0
            );
          },
          600_000,
          500,
        );
        while (alive()[0]) await stop(alive()[0]!);

        assert.equal(wrong, []);
        const first = [...new Set(handled)];
        for (let stream = 0; stream < STREAMS; stream++) {
          const ours = first.filter((event) => event.startsWith(`order-${stream}@`));
          assert.equal(
            ours,
            ours.map((_, revision) => `order-${stream}@${revision}`),
          );
        }
        assert.is(first.length, appended.length);
      },
    ),
    { numRuns: 100 },
  );
});

test('a member that is paused before it writes down what failed is refused once it has been replaced', async () => {
  const { w, refused, failed, handled, alive, start, stop, append } = group([['long']], 1);
  failed.first = (of) => of.pause();
  start();
  await append('order-0');
  await append('order-0');
  await w.advanceUntil('it is paused', () => alive()[0]?.process.state() === 'paused');
  start();
  await w.advanceUntil('the other one has done all', () => handled.includes('order-0@1'));
  alive()[0]?.process.resume();
  await w.advanceUntil('its write is refused', () => refused.count === 1);
  assert.equal(handled, ['order-0@0', 'order-0@1']);
  assert.equal((await w.blockedLanes.find({}, { limit: 1 })).items, []);
  while (alive()[0]) await stop(alive()[0]!);
});

test.run();

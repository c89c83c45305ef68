import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { name, outage, VERDICTS, world } from './world.ts';

const test = suite('consume: random failures');

/** What happens to an event when it is tried the first, second, ... time. */
type Fault = keyof typeof ANSWERS;
const ANSWERS = { ...VERDICTS, outside: { do: 'retry', afterMs: 700 } } as const;

type Step =
  | Readonly<{ do: 'append'; stream: number }>
  | Readonly<{ do: 'advance'; ms: number }>
  | Readonly<{ do: 'restart'; crash: boolean }>
  | Readonly<{ do: 'retry' }>;
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('append' as const), stream: fc.nat(4) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 6_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), crash: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ do: 'retry' as const }) },
);

test('every stream is handled completely and in order, whatever fails, restarts and parks between', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60 }),
      fc.array(fc.array(fc.constantFrom<Fault>('short', 'long', 'park', 'outside'), { maxLength: 3 }), {
        minLength: 7,
        maxLength: 7,
      }),
      fc.integer({ min: 1, max: 5 }),
      async (steps, plans, concurrency) => {
        const w = world({ concurrency, breaker: true });
        const tries = new Map<string, number>();
        const faultOf = (event: { stream: string; revision: number }): readonly Fault[] =>
          plans[(event.revision * 5 + Number(event.stream.slice(-1))) % 7] ?? [];
        const cause = new Map<unknown, Fault>();
        w.steering.handle = async (event) => {
          const before = tries.get(name(event)) ?? 0;
          tries.set(name(event), before + 1);
          const fault = faultOf(event)[before];
          if (fault === undefined) return;
          const error = fault === 'outside' ? outage() : new Error(fault);
          cause.set(error, fault);
          throw error;
        };
        w.steering.onFailure = ({ error }) => ANSWERS[cause.get(error) ?? 'park'];

        const appended: string[] = [];
        const retryAll = async (): Promise<void> => {
          for (const { id } of (await w.blockedLanes.find({ state: 'parked' }, { limit: 100 })).items)
            void w.operate('retry', id);
        };
        let running = await w.start();
        for (const one of steps) {
          if (one.do === 'append') {
            const stream = `order-${one.stream}`;
            appended.push(`${stream}@${appended.filter((other) => other.startsWith(stream)).length}`);
            await w.happen(stream);
          } else if (one.do === 'advance') await w.clock.advance(one.ms);
          else if (one.do === 'retry') await retryAll();
          else {
            const before = await w.checkpoint();
            await running.close();
            // A crash loses the commit, at most.
            const after = await w.checkpoint();
            if (one.crash && before !== undefined && after !== undefined && before !== after)
              await w.checkpoints.save('tester', 'all', after, before);
            running = await w.start();
          }
        }
        await w.advanceUntil(
          'all is handled',
          async () => {
            await retryAll();
            return (
              appended.every((one) => w.handled.includes(one)) &&
              (await w.blockedLanes.find({}, { limit: 1 })).items.length === 0
            );
          },
          600_000,
          1_000,
        );
        // With nothing appended, a consumer that has just started may still wait for its lease.
        let idle = false;
        void running.idle().then(() => (idle = true));
        await w.advanceUntil('the consumer is idle', () => idle);
        await running.close();

        for (const stream of new Set(appended.map((one) => one.slice(0, -2)))) {
          // The first time that each event ended well: what a crash repeats comes on top, and is harmless.
          const first = [...new Set(w.handled.filter((one) => one.startsWith('order-')))].filter(
            (one) => one.split('@')[0] === stream.split('@')[0],
          );
          assert.equal(
            first,
            first.slice().sort((a, b) => Number(a.split('@')[1]) - Number(b.split('@')[1])),
          );
        }
        assert.equal([...new Set(w.handled)].sort(), appended.slice().sort());
        assert.is(Number((await w.checkpoint()) ?? 0), appended.length);
        assert.ok(w.atOnce.most <= concurrency);
      },
    ),
    { numRuns: 150 },
  );
});

test.run();

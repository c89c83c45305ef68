/**
 * Every event that was ever stored can still be read: each version of each type has a sample, which is held
 * here.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { eventOf } from '../../adapters/stored-event.ts';
import { categoryOf, upcast, type EventEnvelope, type EventSchemas } from '../../domain/kernel.ts';
import { OPERATIONS_EVENTS } from '../../domain/operations/operations.ts';
import { ORDER_EVENTS } from '../../domain/order/events.ts';
import { checkStore } from '../../scripts/check/check-store.ts';
import { NO_PROGRESS } from '../../scripts/cli/progress.ts';
import {
  CATEGORIES,
  currentLines,
  fileOf,
  lacking,
  linesIn,
  lineOf,
  samplesIn,
  schemaOf,
} from './golden/samples.ts';

const named = (sample: EventEnvelope): string =>
  `${sample.type} version ${sample.schema} (${sample.stream}@${sample.revision})`;
/** The samples in a store, as they were appended once. */
const stored = async (samples: readonly EventEnvelope[]) => {
  const store = memoryEventStore();
  for (const sample of samples) {
    const { stream, revision, position: _position, ...event } = sample;
    const done = await store.append(stream, revision === 0 ? 'none' : revision - 1, [event]);
    assert.ok(done.ok, `${named(sample)} does not go on where its stream stands`);
  }
  return store;
};
const violationsIn = async (samples: readonly EventEnvelope[]): Promise<readonly string[]> =>
  (await checkStore(await stored(samples), NO_PROGRESS)).first.map(
    ({ stream, revision, sentence }) => `${stream}@${revision}: ${sentence}`,
  );

const golden = suite('golden samples');

for (const [category, schemas] of Object.entries(CATEGORIES)) {
  const samples = samplesIn(category);

  golden(`${category}: each version of each event has one`, () => {
    const missing = lacking(category, schemas, samples).map(({ sentence }) => sentence);
    assert.is(missing.length, 0, missing.join('\n'));
  });

  golden(`${category}: each version before the current one has its schema and its upcaster`, () => {
    for (const [type, { version, older, upcasters }] of Object.entries(schemas))
      for (let v = 1; v < version; v++)
        assert.ok(older?.[v] && upcasters?.[v], `${type} version ${v} needs both`);
  });

  golden(
    `${category}: each is of a known type and version, as it was stored, and fits the schema of its time and of today`,
    () => {
      for (const [index, sample] of samples.entries()) {
        const own = schemaOf(schemas, sample);
        assert.ok(own, `${named(sample)} is known no more; what has shipped stays`);
        assert.is(categoryOf(sample.stream), category, `${named(sample)} is in the wrong file`);
        assert.is(lineOf(sample), linesIn(category)[index], `${named(sample)} is not as a store writes it`);
        for (const [when, parsed] of [
          ['its own', own.safeParse(sample.data)],
          ["today's", schemas[sample.type]?.data.safeParse(upcast(schemas, sample).data)],
        ] as const)
          assert.ok(
            parsed?.success,
            `${named(sample)} does not fit ${when} schema: ${parsed?.error?.message ?? ''}`,
          );
      }
    },
  );

  golden(`${category}: those of older versions read as they always did`, () => {
    const [are, should] = [currentLines(schemas, samples), linesIn(category, 'current')];
    for (const [index, line] of are.entries())
      assert.ok(
        line === should[index],
        `line ${index + 1} of ${fileOf(category, 'current')} should be this, if it is what the older sample means today:\n${line}`,
      );
    assert.is(should.length, are.length, `${fileOf(category, 'current')} has lines of no sample`);
  });

  golden(`${category}: they fold, break no rule, and their chain holds`, async () => {
    assert.equal(await violationsIn(samples), []);
  });
}

/** A third version of OrderPlaced, and two operations that are not there yet. */
const LATER: Readonly<Record<string, EventSchemas>> = {
  order: {
    ...ORDER_EVENTS,
    OrderPlaced: {
      version: 3,
      data: (ORDER_EVENTS.OrderPlaced.data as z.ZodObject).extend({ channel: z.string() }),
      older: { ...ORDER_EVENTS.OrderPlaced.older, 2: ORDER_EVENTS.OrderPlaced.data },
      upcasters: { ...ORDER_EVENTS.OrderPlaced.upcasters, 2: (old: object) => ({ ...old, channel: 'web' }) },
    },
  },
  operations: {
    ...OPERATIONS_EVENTS,
    LampLit: {
      version: 1,
      data: z.strictObject({ lamp: z.string().min(1), watts: z.int(), by: z.string().optional() }),
    },
    LampsCounted: {
      version: 1,
      data: z.strictObject({
        lamps: z
          .array(
            z.strictObject({
              id: z.uuid(),
              country: z.string().regex(/^[A-Z]{2}$/),
              kind: z.enum(['b', 'c']),
            }),
          )
          .min(1),
        filter: z.record(z.string(), z.string()),
      }),
    },
  },
};
for (const [category, schemas] of Object.entries(LATER))
  golden(`${category}: what a change lacks is said, with lines that mend it`, async () => {
    const today = samplesIn(category);
    const samples = [
      ...today,
      ...lacking(category, CATEGORIES[category] ?? {}, today).map(({ line }, index) =>
        eventOf(line, today.length + 1 + index),
      ),
    ];
    const missing = lacking(category, schemas, samples);
    const types =
      category === 'order' ? ['OrderPlaced version 3'] : ['LampLit version 1', 'LampsCounted version 1'];
    assert.is(missing.length, types.length);
    for (const [index, type] of types.entries())
      assert.match(
        missing[index]?.sentence ?? '',
        new RegExp(
          `^tests/domain/golden/${category}\\.ndjson has no sample of ${type}\\. Add one line to its end, such as this:\\n\\{"type"`,
        ),
      );
    const mended = [
      ...samples,
      ...missing.map(({ line }, index) => eventOf(line, samples.length + 1 + index)),
    ];
    assert.equal(lacking(category, schemas, mended), []);
    for (const sample of mended)
      assert.ok(schemas[sample.type]?.data.safeParse(upcast(schemas, sample).data).success, named(sample));
    // The chain goes on; only `check` of today does not know what is to come.
    assert.equal(
      (await violationsIn(mended)).filter((sentence) =>
        /previousHash|revision \d+ stands|calls itself/.test(sentence),
      ),
      [],
    );
    if (category === 'order')
      assert.is(
        currentLines(schemas, mended).length,
        currentLines(ORDER_EVENTS, samples).length + 1,
        'version 2 is an older one then',
      );
  });

golden('a sample that was edited is found by the chain', async () => {
  const samples = samplesIn('order').map((sample) =>
    sample.type === 'OrderPlaced' && sample.schema === 1
      ? { ...sample, data: { ...(sample.data as object), requestHash: 'another' } }
      : sample,
  );
  assert.ok(
    (await violationsIn(samples)).some((sentence) =>
      sentence.includes('previousHash is not the hash of revision 0'),
    ),
  );
});
golden.run();

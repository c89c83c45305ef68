/**
 * Golden samples: an event of every type in every version that ever was, as it is stored, one file a
 * category, in streams that begin at revision 0 and whose chain holds. A sample that has shipped never
 * changes.
 */
import { aggregates } from '../../../domain/index.ts';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { eventOf, textOf } from '../../../adapters/stored-event.ts';
import { keyOf, upcast, type EventEnvelope, type EventSchemas } from '../../../domain/kernel.ts';
import { hashOf, NO_HASH } from '../../../runtime/command/chain.ts';
import { derivedUuid } from '../../../runtime/command/identity.ts';

/** Every category that has events, with what these are. */
export const CATEGORIES: Readonly<Record<string, EventSchemas>> = Object.fromEntries(
  Object.values(aggregates).map(({ category, events }) => [category, events]),
);

const FOLDER = 'tests/domain/golden';
// Compiled to build/tests/domain/golden: the samples stay where the sources are.
const root = resolve(import.meta.dirname, '..', '..', '..', '..');
const linesOf = (path: string): readonly string[] => {
  const text = existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '';
  return text.split('\n').filter((line) => line !== '');
};

/** `stored`: the samples as they were stored. `current`: what those of older versions read as today. */
export const fileOf = (category: string, form: 'stored' | 'current' = 'stored'): string =>
  `${FOLDER}/${category}${form === 'stored' ? '' : '.current'}.ndjson`;
export const linesIn = (category: string, form: 'stored' | 'current' = 'stored'): readonly string[] =>
  linesOf(fileOf(category, form));
/** The position is the line's number in the file. */
export const samplesIn = (category: string): readonly EventEnvelope[] =>
  linesIn(category).map((line, index) => eventOf(line, index + 1));
export const lineOf = (event: EventEnvelope): string => textOf(event.stream, event.revision, event);

export const schemaOf = (
  schemas: EventSchemas,
  { type, schema }: Pick<EventEnvelope, 'type' | 'schema'>,
): z.ZodType | undefined => {
  const known = schemas[type];
  return schema === known?.version ? known.data : known?.older?.[schema];
};

/** The lines of the file of older versions as they should be. */
export const currentLines = (schemas: EventSchemas, samples: readonly EventEnvelope[]): readonly string[] =>
  samples
    .filter(({ type, schema }) => schema < (schemas[type]?.version ?? 0))
    .map((sample) => lineOf(upcast(schemas, sample)));

const TEXTS = ['text', 'GBP', 'GB', '2031-01-01T09:00:00.000Z', '0190163d-8694-839b-aea5-966c26f8ad91', '1'];
type JsonSchema = Readonly<{
  type?: string;
  const?: unknown;
  enum?: readonly unknown[];
  anyOf?: readonly JsonSchema[];
  pattern?: string;
  minimum?: number;
  items?: JsonSchema;
  properties?: Readonly<Record<string, JsonSchema>>;
}>;
const exampleOf = (schema: JsonSchema): unknown => {
  if ('const' in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf?.[0]) return exampleOf(schema.anyOf[0]);
  if (schema.type === 'object')
    return Object.fromEntries(
      Object.entries(schema.properties ?? {}).map(([name, inner]) => [name, exampleOf(inner)]),
    );
  if (schema.type === 'array') return schema.items ? [exampleOf(schema.items)] : [];
  if (schema.type === 'boolean') return true;
  if (schema.type === 'integer' || schema.type === 'number') return Math.max(1, schema.minimum ?? 1);
  return TEXTS.find((text) => new RegExp(schema.pattern ?? '').test(text)) ?? 'text';
};

/**
 * A line that could be the sample: behind the last one of its file, or in a stream of its own where the type
 * begins streams.
 */
const suggestion = (
  category: string,
  schemas: EventSchemas,
  samples: readonly EventEnvelope[],
  type: string,
  version: number,
): EventEnvelope => {
  const like = samples.findLast((sample) => sample.type === type);
  const commandId = derivedUuid('golden', category, type, String(version));
  const schema = schemaOf(schemas, { type, schema: version });
  const begins = like?.revision === 0 || samples.length === 0;
  const last = samples.at(-1);
  const before = begins || !last ? undefined : samples.findLast(({ stream }) => stream === last.stream);
  const key = begins ? commandId : keyOf(before?.stream ?? '');
  const at = last?.meta.at ?? '2031-01-01T09:00:00.000Z';
  const example = (): unknown =>
    schema ? exampleOf(z.toJSONSchema(schema, { unrepresentable: 'any' }) as JsonSchema) : {};
  const data = like && version === schemas[type]?.version ? upcast(schemas, like).data : example();
  const event: EventEnvelope = {
    type,
    stream: `${category}-${key}`,
    revision: before ? before.revision + 1 : 0,
    id: derivedUuid('golden', commandId),
    schema: version,
    data,
    meta: {
      commandId,
      at,
      actor: { id: 'olga', role: 'operator' },
      recordedAt: at,
      origin: 'live',
      correlationId: `${category}-${key}`,
      causationId: commandId,
      previousHash: before ? hashOf(before) : NO_HASH,
    },
    position: '' as EventEnvelope['position'],
  };
  // What begins a stream names it in its data.
  return begins && like
    ? (JSON.parse(JSON.stringify(event).replaceAll(keyOf(like.stream), key)) as EventEnvelope)
    : event;
};

/**
 * What has no sample: a sentence that says what to do, and a line that would do it. Lines of one file go on
 * from one another.
 */
export const lacking = (
  category: string,
  schemas: EventSchemas,
  samples: readonly EventEnvelope[],
): readonly Readonly<{ sentence: string; line: string }>[] => {
  const known = [...samples];
  const found: { sentence: string; line: string }[] = [];
  for (const [type, { version }] of Object.entries(schemas))
    for (let v = 1; v <= version; v++) {
      if (known.some((sample) => sample.type === type && sample.schema === v)) continue;
      const suggested = suggestion(category, schemas, known, type, v);
      const fits = schemaOf(schemas, suggested)?.safeParse(suggested.data).success === true;
      const line = lineOf(suggested);
      known.push(suggested);
      found.push({
        line,
        sentence: `${fileOf(category)} has no sample of ${type} version ${v}. Add one line to its end, such as this${fits ? '' : ' once its data fits the schema'}:\n${line}`,
      });
    }
  return found;
};

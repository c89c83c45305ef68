/** Who did what and when: searched in the view, and the whole store as lines to verify elsewhere. */
import { z } from 'zod';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import { exportEvents, searchAudit, type ExportChunk } from '../../shop/audit.ts';
import { hashOf } from '../../runtime/command/chain.ts';
import { behindCursor } from '../cursor.ts';
import { route, type Route } from '../route.ts';
import { AuditEvent } from '../schemas/audit.ts';
import { Cursor, Limit, page, text, TimeQuery } from '../schemas/common.ts';

const itemOf = (event: EventEnvelope) => {
  const { stream, id, type, schema, revision, position, data, meta } = event;
  return { stream, id, type, schema, revision, position, data, meta, hash: hashOf(event) };
};

const searchEvents = route({
  method: 'get',
  path: '/audit/events',
  tag: 'audit',
  roles: ['auditor'],
  summary: 'Events of every stream, newest first',
  description:
    'By `actor` (id), `type`, `order` (id) or `stream`, and by when they happened (`to` is left out). A page may be shorter than `limit`, even empty, while `nextCursor` says that there is more.',
  query: z.strictObject({
    actor: text(200).optional(),
    type: text(100).optional(),
    order: text(100).optional(),
    stream: text(300).optional(),
    from: TimeQuery.optional(),
    to: TimeQuery.optional(),
    cursor: Cursor,
    limit: Limit,
  }),
  responses: { 200: { description: 'A page.', schema: page(AuditEvent) } },
  problems: ['invalid_cursor'],
  async handle({ query: { cursor, limit, ...filters } }, { auditLog, store }) {
    const { events, next } = await behindCursor(cursor, () =>
      searchAudit({ auditLog, store }, filters, cursor === undefined ? { limit } : { cursor, limit }),
    );
    return { status: 200, body: { items: events.map(itemOf), nextCursor: next } };
  },
});

async function* texts(chunks: AsyncIterable<ExportChunk>): AsyncGenerator<string> {
  for await (const { text: lines } of chunks) yield lines;
}

const exportAll = route({
  method: 'get',
  path: '/audit/export',
  tag: 'audit',
  roles: ['auditor'],
  summary: 'The whole store as NDJSON',
  description:
    'A line for each event, in the order of commit, up to the last one at the time of asking: `{position, stream, revision, id, type, schema, data, meta, hash}`. `hash` is over the canonical JSON of the event without its position; the next event of the stream carries it as `meta.previousHash`. `after`: the position of the last line that is known already.',
  query: z.strictObject({ after: text(200).optional().describe('A position of this store.') }),
  responses: { 200: { description: 'Lines of JSON.', contentType: 'application/x-ndjson' } },
  problems: ['invalid_cursor'],
  async handle({ query: { after } }, { store }) {
    const exported = await behindCursor(after, () => exportEvents(store, after as Position | undefined));
    return {
      status: 200,
      headers: { 'Content-Type': 'application/x-ndjson' },
      chunks: (signal) => texts(exported.chunks(signal)),
    };
  },
});

export const audit: readonly Route[] = [searchEvents, exportAll];

/** What auditors are shown. */
import { z } from 'zod';
import { components } from './common.ts';
import { HistoryItem } from './order.ts';

export const AuditEvent = HistoryItem.extend({ stream: z.string() }).register(components, {
  id: 'AuditEvent',
  description:
    'An event as it is stored: personal data stays in its sealed boxes, which is what `hash` is over.',
});

/** Every view: a new one is a file of its own and a line here. */
import type { Projection } from '../ports/read-store.ts';
import { auditLog } from './audit-log.ts';
import { catalogue } from './catalogue.ts';
import { customerOrders } from './customer-orders.ts';
import { operations } from './operations.ts';
import { orderStatus } from './order-status.ts';
import { sales } from './sales.ts';
import { stockLevels } from './stock-levels.ts';

/** `timeZone`: IANA name; whose days figures are counted in. */
export const projectionsOf = (timeZone: string): readonly Projection<never>[] =>
  [
    orderStatus,
    catalogue,
    stockLevels,
    customerOrders,
    sales({ timeZone }),
    operations({ timeZone }),
    auditLog,
  ] as unknown as readonly Projection<never>[];

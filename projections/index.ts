/** Every view: a new one is a file of its own and a line here. */
import type { Category } from '../domain/index.ts';
import type { Projection } from '../ports/projection.ts';
import { auditLog } from './audit-log.ts';
import { catalogue } from './catalogue.ts';
import { customerOrders } from './customer-orders.ts';
import { operations } from './operations.ts';
import { orderStatus } from './order-status.ts';
import { sales } from './sales.ts';
import { stockLevels } from './stock-levels.ts';

/** `timeZone`: IANA name; whose days figures are counted in. */
export const projectionsOf = (timeZone: string): readonly Projection<never, Category>[] => {
  const views = [
    orderStatus,
    catalogue,
    stockLevels,
    customerOrders,
    sales({ timeZone }),
    operations({ timeZone }),
    auditLog,
  ] satisfies readonly Pick<Projection<never, Category>, 'categories'>[];
  return views as unknown as readonly Projection<never, Category>[];
};

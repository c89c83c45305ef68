/** Every view: a new one is a file of its own and a line here. */
import type { Projection } from '../ports/read-store.ts';
import { catalogue } from './catalogue.ts';
import { orderStatus } from './order-status.ts';

export const projections: readonly Projection<never>[] = [orderStatus, catalogue] as unknown as readonly Projection<never>[];

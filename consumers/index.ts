/** Every consumer: a new one is a folder of its own and a line here. */
import type { ShopConsumer } from '../shop/consumer-deps.ts';
import { analytics } from './analytics/index.ts';
import { deadlines } from './deadlines/index.ts';
import { inventory } from './inventory/index.ts';
import { notification } from './notification/index.ts';
import { payment } from './payment/index.ts';
import { warehouse } from './warehouse/index.ts';

export const consumers: readonly ShopConsumer[] = [
  inventory,
  payment,
  warehouse,
  notification,
  analytics,
  deadlines,
];

/**
 * Every route: a new one is a declaration and a line here. The first are matched first, and checkout is asked
 * for most.
 */
import { openApiOf } from '../openapi.ts';
import { openRoute, type Route } from '../route.ts';
import { analytics } from './analytics.ts';
import { audit } from './audit.ts';
import { deleteProduct, listCatalogue, putProduct } from './catalogue.ts';
import { cancelMatching } from './cancel-matching.ts';
import { checkout } from './checkout.ts';
import { consumers } from './consumers.ts';
import { customers } from './customers.ts';
import { health } from './health.ts';
import { live } from './live.ts';
import { operations } from './operations.ts';
import { orderCommands } from './order-commands.ts';
import { getHistory } from './order-history.ts';
import { listOrders } from './order-list.ts';
import { getOrder } from './order.ts';
import { parkedEvents } from './parked.ts';
import { projections } from './projections.ts';
import { replays } from './replays.ts';
import { session } from './session.ts';
import { adjustStock, getStock, listStock, receiveStock } from './stock.ts';
import { paymentEvents, warehouseEvents } from './webhooks.ts';

const declared: readonly Route[] = [
  checkout,
  listOrders,
  getOrder,
  getHistory,
  ...orderCommands,
  ...live,
  ...customers,
  listCatalogue,
  putProduct,
  deleteProduct,
  listStock,
  getStock,
  receiveStock,
  adjustStock,
  session,
  warehouseEvents,
  paymentEvents,
  ...analytics,
  ...audit,
  ...consumers,
  ...operations,
  ...parkedEvents,
  cancelMatching,
  ...projections,
  ...replays,
  ...health,
];

let document: unknown;
const openapi: Route = openRoute({
  method: 'get',
  path: '/openapi.json',
  tag: 'health',
  summary: 'This API, described',
  responses: { 200: { description: 'OpenAPI 3.1.' } },
  handle: () => ({
    status: 200,
    headers: { 'Cache-Control': 'no-cache' },
    body: (document ??= openApiOf(routes)),
  }),
});

export const routes: readonly Route[] = [...declared, openapi];

/** A product of the catalogue: listed, priced, delisted, so that prices are audited as orders are. */
import { z } from 'zod';
import {
  accept,
  refuse,
  upcast,
  v1,
  type Aggregate,
  type DataOf,
  type Decider,
  type EventEnvelope,
  type EventSchemas,
  type EventsOf,
  type Refusal,
} from '../kernel.ts';
import { Currency } from '../money.ts';
import { ledTo, NOTHING_REMEMBERED, remember, remembers, sizeOf, type Remembered } from '../remembered.ts';

export const Sku = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores');

export const PRODUCT_EVENTS = {
  ProductListed: v1(
    z.strictObject({
      sku: Sku,
      name: z.string().min(1).max(200),
      priceMinor: z.int().min(1),
      currency: Currency,
    }),
  ),
  ProductRenamed: v1(z.strictObject({ name: z.string().min(1).max(200) })),
  ProductPriced: v1(z.strictObject({ priceMinor: z.int().min(1), currency: Currency })),
  ProductDelisted: v1(z.strictObject({})),
} as const satisfies EventSchemas;
export type ProductEventData = DataOf<typeof PRODUCT_EVENTS>;
export type ProductEvent = EventsOf<typeof PRODUCT_EVENTS>;
export const productEvent = (event: EventEnvelope): EventEnvelope<ProductEvent> =>
  upcast<ProductEvent>(PRODUCT_EVENTS, event);
export const productStream = (sku: string): string => `product-${sku}`;

export type ProductState = Readonly<{
  revision: number;
  listed: boolean;
  sku: string;
  name: string;
  priceMinor: number;
  currency: string;
  commands: Remembered;
}>;
export type ProductCommand =
  | Readonly<{ type: 'ListProduct'; data: ProductEventData['ProductListed'] }>
  | Readonly<{ type: 'DelistProduct'; data: Record<string, never> }>;
export type ProductRefusal = Refusal<'unknown_sku'>;

/** The last of them are remembered: a price is set from time to time, for ever. */
const COMMANDS = 1_000;

export const product: Decider<ProductCommand, ProductEvent, ProductState, ProductRefusal> = {
  initial: {
    revision: -1,
    listed: false,
    sku: '',
    name: '',
    priceMinor: 0,
    currency: '',
    commands: NOTHING_REMEMBERED,
  },
  evolve(state, event) {
    const revision = state.revision + 1;
    const next = {
      ...state,
      revision,
      commands: remember(state.commands, event.meta.commandId, revision, COMMANDS),
    };
    switch (event.type) {
      case 'ProductListed':
        return { ...next, ...event.data, listed: true };
      case 'ProductRenamed':
      case 'ProductPriced':
        return { ...next, ...event.data };
      case 'ProductDelisted':
        return { ...next, listed: false };
      default: {
        const never: never = event;
        throw new Error(`unknown event ${(never as ProductEvent).type}`);
      }
    }
  },
  decide(command, state) {
    if (remembers(state.commands, command.meta.commandId)) return accept();
    if (command.type === 'DelistProduct') {
      if (state.revision < 0) return refuse('unknown_sku', 'There is no such product.');
      return state.listed ? accept({ type: 'ProductDelisted', data: {} }) : accept();
    }
    const { name, priceMinor, currency } = command.data;
    if (!state.listed) return accept({ type: 'ProductListed', data: command.data });
    const renamed: ProductEvent[] = name === state.name ? [] : [{ type: 'ProductRenamed', data: { name } }];
    const priced: ProductEvent[] =
      priceMinor === state.priceMinor && currency === state.currency
        ? []
        : [{ type: 'ProductPriced', data: { priceMinor, currency } }];
    return accept(...renamed, ...priced);
  },
};

/** The catalogue, streams `product-<sku>`. */
export const products: Aggregate<ProductCommand, ProductEvent, ProductState, ProductRefusal> = {
  category: 'product',
  events: PRODUCT_EVENTS,
  decider: product,
  ledTo: (state, commandId) => ledTo(state.commands, commandId),
  weight: (state) => 1 + Math.ceil(sizeOf(state.commands) / 4),
  shape: 'product-1',
};

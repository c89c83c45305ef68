/** What of a SKU is there and promised, without who it is promised to: what views need of a stock stream. */
import type { StockEvent } from './stock.ts';

/** Units. `reserved`: promised to orders; `backordered`: orders wait for them. */
export type StockLevels = Readonly<{ onHand: number; reserved: number; backordered: number }>;
export const NO_STOCK: StockLevels = { onHand: 0, reserved: 0, backordered: 0 };

/** `levels`, with whatever else they stand beside, after `event`. */
export const levelsAfter = <L extends StockLevels>(levels: L, event: StockEvent): L => {
  switch (event.type) {
    case 'GoodsReceived':
      return { ...levels, onHand: levels.onHand + event.data.quantity };
    case 'StockAdjusted':
      return { ...levels, onHand: levels.onHand + event.data.delta };
    case 'UnitsReserved':
      return { ...levels, reserved: levels.reserved + event.data.quantity };
    case 'UnitsBackordered':
      return { ...levels, backordered: levels.backordered + event.data.quantity };
    case 'BackorderFilled':
      return {
        ...levels,
        reserved: levels.reserved + event.data.quantity,
        backordered: levels.backordered - event.data.quantity,
      };
    case 'UnitsReleased':
      return {
        ...levels,
        reserved: levels.reserved - event.data.reserved,
        backordered: levels.backordered - event.data.backordered,
      };
    case 'UnitsDispatched': {
      const { quantity, reserved, backordered } = event.data;
      return {
        ...levels,
        onHand: levels.onHand - quantity,
        reserved: levels.reserved - reserved,
        backordered: levels.backordered - backordered,
      };
    }
    default: {
      const never: never = event;
      throw new Error(`unknown event ${(never as StockEvent).type}`);
    }
  }
};

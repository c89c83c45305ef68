/** The demo shop: what a newcomer can order at once. */
import { productStream, products } from '../domain/product/product.ts';
import { stockStream, stocks } from '../domain/stock/stock.ts';
import type { Executor } from '../runtime/command/execute.ts';
import { derivedUuid } from '../runtime/command/identity.ts';

const STOCK = 10_000;
const DEMO: readonly (readonly [sku: string, name: string, priceMinor: number])[] = [
  ['MUG-BLUE', 'Stoneware mug, blue', 1250],
  ['MUG-SAND', 'Stoneware mug, sand', 1250],
  ['TEAPOT-1L', 'Teapot, one litre', 3400],
  ['BOWL-SET-4', 'Set of four bowls', 2800],
  ['PLATE-27', 'Dinner plate, 27 cm', 1450],
  ['CANDLE-FIG', 'Candle, fig leaf', 1900],
  ['CANDLE-SEA', 'Candle, sea salt', 1900],
  ['LANTERN-S', 'Tin lantern, small', 1675],
  ['LANTERN-L', 'Tin lantern, large', 2995],
  ['THROW-WOOL', 'Wool throw, grey', 6900],
  ['CUSHION-LIN', 'Linen cushion, 45 cm', 3250],
  ['APRON-OLV', 'Apron, olive', 2400],
  ['TOWEL-TEA-3', 'Three tea towels', 1600],
  ['BOARD-OAK', 'Oak chopping board', 3800],
  ['KNIFE-PAR', 'Paring knife', 2200],
  ['JAR-1L', 'Storage jar, one litre', 975],
  ['JAR-SPICE-6', 'Six spice jars', 1850],
  ['NOTEBOOK-A5', 'Notebook, A5, dotted', 895],
  ['PENCILS-12', 'Twelve pencils', 650],
  ['CARDS-8', 'Eight greeting cards', 795],
  ['WRAP-ROLL', 'Wrapping paper, roll', 450],
  ['RIBBON-RED', 'Ribbon, red, 10 m', 350],
  ['VASE-TALL', 'Tall vase, clear', 2650],
  ['CLOCK-WALL', 'Wall clock, birch', 4900],
];

/** Lists the products and receives their stock; doing it again changes nothing. */
export const seedDemo = async (executor: Executor, currency: string): Promise<number> => {
  const context = (sku: string, step: string) => ({
    commandId: derivedUuid('demo', sku, step),
    actor: { id: 'demo', role: 'system' } as const,
  });
  await Promise.all(
    DEMO.flatMap(([sku, name, priceMinor]) => [
      executor.execute(
        products,
        productStream(sku),
        { type: 'ListProduct', data: { sku, name, priceMinor, currency } },
        context(sku, 'list'),
      ),
      executor.execute(
        stocks,
        stockStream(sku),
        { type: 'ReceiveGoods', data: { quantity: STOCK, reason: 'demo stock' } },
        context(sku, 'stock'),
      ),
    ]),
  );
  return DEMO.length;
};

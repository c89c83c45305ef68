/** A warehouse in memory that does what it is told and writes it down. */
import type { ParcelLine, Warehouse } from '../../ports/outside/warehouse.ts';

export type FakeWarehouse = Warehouse & {
  readonly requests: { shipmentId: string; lines: readonly ParcelLine[]; address: unknown }[];
  readonly cancellations: string[];
  readonly returns: { returnId: string; lines: readonly ParcelLine[] }[];
  /** Answers from now on. */
  refuses: string | undefined;
  tooLate: boolean;
};

export const fakeWarehouse = (): FakeWarehouse => {
  const fake: FakeWarehouse = {
    requests: [],
    cancellations: [],
    returns: [],
    refuses: undefined,
    tooLate: false,
    async requestShipment({ shipmentId, lines, address }) {
      fake.requests.push({ shipmentId, lines, address });
      return fake.refuses === undefined
        ? { outcome: 'accepted' }
        : { outcome: 'refused', reason: fake.refuses };
    },
    async cancelShipment({ shipmentId }) {
      fake.cancellations.push(shipmentId);
      return { outcome: fake.tooLate ? 'too_late' : 'cancelled' };
    },
    async expectReturn({ returnId, lines }) {
      fake.returns.push({ returnId, lines });
    },
  };
  return fake;
};

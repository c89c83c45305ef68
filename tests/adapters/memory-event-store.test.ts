import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { eventStoreContract } from '../contracts/event-store.ts';

eventStoreContract('memory', async () => {
  const store = memoryEventStore();
  return { port: store, close: () => store.close() };
});

import { memoryReadStore } from '../../adapters/memory/read-store.ts';
import { readStoreContract } from '../contracts/read-store.ts';

readStoreContract('memory', async () => {
  const store = memoryReadStore();
  return { port: store, close: () => store.close() };
});

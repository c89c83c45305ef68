import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { bookkeepingContract } from '../contracts/bookkeeping.ts';

bookkeepingContract('memory', async () => {
  const books = memoryBookkeeping();
  return { books, close: () => books.close() };
});

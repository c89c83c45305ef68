import { memoryVault } from '../../adapters/memory/vault.ts';
import { vaultContract } from '../contracts/vault.ts';

vaultContract('memory', async () => {
  const vault = memoryVault();
  return { vault, close: () => vault.close() };
});

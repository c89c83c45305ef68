import { memoryVault } from '../../adapters/memory/vault.ts';
import { vaultContract } from '../contracts/vault.ts';

vaultContract('memory', async () => {
  const vault = memoryVault();
  return { port: vault, close: () => vault.close() };
});

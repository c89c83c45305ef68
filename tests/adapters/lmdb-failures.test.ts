/**
 * What the event store does when the disk is slow, broken or full: in a process whose system calls go through
 * a small C library, built here. Holds the adapter's claims about lmdb that no other test could see broken.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { childWith, newFolder } from './lmdb-folder.ts';

const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/uio.h>
static const char *path(const char *name, char *at) { snprintf(at, 512, "%s/%s", getenv("FAULTS"), name); return at; }
static int is(const char *name) { char at[512]; return access(path(name, at), F_OK) == 0; }
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
int fdatasync(int fd) {
  char at[512];
  if (is("hold")) close(open(path("holding", at), O_CREAT | O_WRONLY, 0600));
  while (is("hold")) usleep(1000);
  if (is("EIO")) { errno = EIO; return -1; }
  return REAL(fdatasync)(fd);
}
#define FULL(size) if (is("ENOSPC") && (size) >= 4096) { errno = ENOSPC; return -1; }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { FULL(n) return REAL(pwrite)(fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) { FULL(n) return REAL(pwrite64)(fd, b, n, o); }
ssize_t pwritev(int fd, const struct iovec *b, int n, off_t o) { FULL(4096) return REAL(pwritev)(fd, b, n, o); }
`;

const library = (folder: string): string | undefined => {
  if (process.platform !== 'linux') return undefined;
  writeFileSync(join(folder, 'faults.c'), SOURCE);
  const built = spawnSync('cc', [
    '-shared',
    '-fPIC',
    '-o',
    join(folder, 'faults.so'),
    join(folder, 'faults.c'),
    '-ldl',
  ]);
  return built.status === 0 ? join(folder, 'faults.so') : undefined;
};

const test = suite('event store: lmdb on a failing disk');
test('answers when it is on disk, hands out nothing before, and goes on after a failure', async () => {
  const { folder, remove } = newFolder();
  const faults = library(folder);
  if (!faults)
    return console.log('NOTE no C compiler for Linux: the event store on a failing disk is not tested');
  mkdirSync(join(folder, 'events'));
  const process = childWith({ LD_PRELOAD: faults, FAULTS: folder }, 'faults', join(folder, 'events'));

  const at = (n: number) => String(n).padStart(16, '0');
  assert.equal(
    await process.told(),
    {
      before: { answered: false, names: 'order-a.0 order-a.1', tail: at(2) },
      after: {
        answer: { ok: true, revision: 1, position: at(4) },
        names: 'order-a.0 order-a.1 order-b.0 order-b.1',
      },
    },
    'while the flush is held up',
  );
  // A commit whose flush failed stays in the file: the repeat finds its events and makes sure of them.
  const broken = (await process.told()) as { failed: string[]; again: unknown; next: unknown; names: string };
  for (const failed of broken.failed) assert.match(failed, /^StoreUnavailable: .*Input\/output error/);
  assert.equal(broken.again, { ok: true, revision: 1, position: at(6) });
  assert.equal(broken.next, { ok: true, revision: 1, position: at(10) });
  assert.match(broken.names, 'order-EIO-1.0 order-EIO-1.1 order-EIO-2.0 order-EIO-2.1 order-EIO-3.0');
  // One that could not be written left nothing.
  const full = (await process.told()) as typeof broken;
  for (const failed of full.failed) assert.match(failed, /^StoreUnavailable: .*No space left/);
  assert.equal(full.again, { ok: true, revision: 1, position: at(12) });
  assert.equal(full.next, { ok: true, revision: 1, position: at(14) });
  assert.not.match(full.names, 'order-ENOSPC-2');
  await process.ended;
  remove();
});
test.run();

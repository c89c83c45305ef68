import type { Db } from 'mongodb';
import type { Control, Controls } from '../../ports/controls.ts';
import { createListeners } from '../listeners.ts';
import { unlessThere, type Database } from './connection.ts';
import { keeping, notPast } from './fences.ts';

export const CONTROLS = {
  controls: [
    { key: { target: 1, endedAt: 1, _id: 1 } },
    { key: { target: 1, _id: 1 } },
    { key: { endedAt: 1 } },
  ],
} as const;

/** `control`: what was asked, as JSON; `progress`: what was told, as JSON; `endedAt`: null while it is open. */
type ControlDocument = {
  _id: string;
  target: string;
  control: string;
  progress: string | null;
  endedAt: string | null;
};

const controlOf = ({ control, progress, endedAt }: ControlDocument): Control => ({
  ...(JSON.parse(control) as Control),
  ...(progress === null ? {} : { progress: JSON.parse(progress) as unknown }),
  ...(endedAt === null ? {} : { endedAt }),
});

export const mongoControls = ({ run }: Database): Controls => {
  const listeners = createListeners();
  const controls = (db: Db) => db.collection<ControlDocument>('controls');
  return {
    async ask({ progress, endedAt, ...control }) {
      const document = {
        _id: control.id,
        target: control.target,
        control: JSON.stringify(control),
        progress: JSON.stringify(progress) ?? null,
        endedAt: endedAt ?? null,
      };
      await run((db) => unlessThere(controls(db).insertOne(document)));
      listeners.tell();
    },
    async get(id) {
      const found = await run((db) => controls(db).findOne({ _id: id }));
      return found ? controlOf(found) : undefined;
    },
    async open(targets, limit) {
      const found = await run((db) =>
        controls(db)
          .find({ target: { $in: [...targets] }, endedAt: null })
          .sort({ _id: 1 })
          .limit(limit)
          .toArray(),
      );
      return found.map(controlOf);
    },
    async latest(targets, limit) {
      const found = await run((db) =>
        controls(db)
          .find({ target: { $in: [...targets] } })
          .sort({ _id: -1 })
          .limit(limit)
          .toArray(),
      );
      return found.map(controlOf);
    },
    async report(id, { progress, endedAt }, fence) {
      const told = { progress: JSON.stringify(progress) ?? null, endedAt: endedAt ?? null };
      const { matchedCount } = await run((db) =>
        controls(db).updateOne(
          { _id: id, endedAt: null, ...notPast(fence) },
          { $set: told, ...keeping(fence) },
        ),
      );
      listeners.tell();
      return matchedCount === 1 ? 'kept' : 'refused';
    },
    async forget(time) {
      await run((db) => controls(db).deleteMany({ endedAt: { $lt: time } }));
    },
    onChange: listeners.add,
  };
};

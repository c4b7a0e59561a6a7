import * as records from '../sql/row-readers.ts';
import { fromText } from './text-columns.ts';

const columns = records.columnReaders(fromText);

export const { text, textOrNull, number, numberOrNull, document } = columns;

export const eventFromRow = (row: records.Row) => records.eventFromRow(columns, row);
export const deliveryFromRow = (row: records.Row) => records.deliveryFromRow(columns, row);
export const attemptFromRow = (row: records.Row) => records.attemptFromRow(columns, row);
export const rejectionFromRow = (row: records.Row) => records.rejectionFromRow(columns, row);
export const duplicateFromRow = (row: records.Row) => records.duplicateFromRow(columns, row);
export const replayFromRow = (row: records.Row) => records.replayFromRow(columns, row);
export const changeFromRow = (row: records.Row) => records.changeFromRow(columns, row);

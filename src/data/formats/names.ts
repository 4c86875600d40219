/** The formats of files of samples. */

export const formatNames = ['json', 'csv', 'tar', 'parquet', 'text'] as const;
export type FormatName = (typeof formatNames)[number];

/** Bytes before a saved state (`header` in `device/model/api.c`, which asserts it): magic, version, sizes, counters, the hash of the Program, the schedule. */
export const savedHeader = 80;

/** Bytes around a saved state: its header and its CRC-32. */
export const savedFrame: number = savedHeader + 4;

/*
 * What a zip file with one deflated entry has around its data. Numbers are little-endian (APPNOTE 4.3);
 * an entry of 4 GiB and more needs fields that old readers do not know, so only such a one has them.
 */
#include <stdint.h>
#include <string.h>
#include <time.h>

#define ZIP_FRAME 1024 /* the longest of both frames, with a name of 255 bytes */
#define MAX_32 0xFFFFFFFFu

struct zip_entry {
	const char *name;
	uint64_t size, packed;
	uint32_t crc;
	time_t date;
};

static unsigned char *put(unsigned char *to, uint64_t value, int bytes) {
	for (; bytes > 0; bytes--, value >>= 8) *to++ = value;
	return to;
}

/* The file's size alone decides: the first frame has its room before the packed size is known. */
static int zip_is_wide(const struct zip_entry *entry) { return entry->size >= MAX_32 - (1u << 24); }

static uint32_t zip_dos_time(time_t date) {
	struct tm t;
	gmtime_r(&date, &t);
	return (uint32_t)(t.tm_year - 80) << 25 | (t.tm_mon + 1) << 21 | t.tm_mday << 16 | t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec >> 1;
}

/* What the local header and the directory have in common: from the flags to the length of the extra field. */
static unsigned char *zip_common(unsigned char *p, const struct zip_entry *entry) {
	int wide = zip_is_wide(entry);
	p = put(p, 0, 2);
	p = put(p, 8, 2); /* deflate */
	p = put(p, zip_dos_time(entry->date), 4);
	p = put(p, entry->crc, 4);
	p = put(p, wide ? MAX_32 : entry->packed, 4);
	p = put(p, wide ? MAX_32 : entry->size, 4);
	p = put(p, strlen(entry->name), 2);
	return put(p, wide ? 20 : 0, 2);
}

static unsigned char *zip_name_and_extra(unsigned char *p, const struct zip_entry *entry) {
	size_t length = strlen(entry->name);
	memcpy(p, entry->name, length);
	p += length;
	if (!zip_is_wide(entry)) return p;
	p = put(p, 1, 2);
	p = put(p, 16, 2);
	p = put(p, entry->size, 8);
	return put(p, entry->packed, 8);
}

/* The frame before the data; the number of bytes written to `to`. */
static size_t zip_head(unsigned char *to, const struct zip_entry *entry) {
	unsigned char *p = put(to, 0x04034B50, 4);
	p = put(p, zip_is_wide(entry) ? 45 : 20, 2); /* the version that a reader must have */
	p = zip_common(p, entry);
	return zip_name_and_extra(p, entry) - to;
}

/* The frame behind the data, which ends at `start`. */
static size_t zip_tail(unsigned char *to, const struct zip_entry *entry, uint64_t start) {
	int wide = zip_is_wide(entry), version = wide ? 45 : 20;
	uint64_t length;
	unsigned char *p = put(to, 0x02014B50, 4);
	p = put(p, 0x0300 | version, 2); /* made on Unix: the attributes below are a mode */
	p = put(p, version, 2);
	p = zip_common(p, entry);
	p = put(p, 0, 6); /* comment, disk, internal attributes */
	p = put(p, 0100644u << 16, 4);
	p = put(p, 0, 4); /* where the local header is */
	p = zip_name_and_extra(p, entry);
	length = p - to;
	if (wide) {
		p = put(p, 0x06064B50, 4);
		p = put(p, 44, 8);
		p = put(p, 45, 2);
		p = put(p, 45, 2);
		p = put(p, 0, 8); /* disks */
		p = put(p, 1, 8);
		p = put(p, 1, 8);
		p = put(p, length, 8);
		p = put(p, start, 8);
		p = put(p, 0x07064B50, 4);
		p = put(p, 0, 4);
		p = put(p, start + length, 8);
		p = put(p, 1, 4);
	}
	p = put(p, 0x06054B50, 4);
	p = put(p, 0, 4); /* disks */
	p = put(p, 1, 2);
	p = put(p, 1, 2);
	p = put(p, length, 4);
	p = put(p, start < MAX_32 ? start : MAX_32, 4);
	return put(p, 0, 2) - to;
}

/*
 * Reads a disk image once and makes of it, on all cores: IMAGE.zip, IMAGE.zst, the SHA-256 of the whole
 * and those of ranges. What is zero in it becomes a hole, and holes are not read.
 *
 * usage: pack-image THREADS IMAGE [EARLIER]
 * Standard input has the ranges, sorted: "FIRST END" in bytes on a line each. Standard output gets the
 * digests in hex, one on a line: of the image, then of each range. The entry of the zip carries
 * SOURCE_DATE_EPOCH as its date.
 *
 * Every unit of the image is packed on its own: the bytes do not depend on the number of threads, and
 * units of zeros are packed once and then repeated. A unit ends behind a block that says so by its content,
 * so the same data makes the same units wherever it lies, but after 4 MiB at the latest. In the zip the units are joined to one stream of
 * deflate; in the zst each is a frame of its own (RFC 8878, 3.1), and a reader reads one after the other.
 *
 * IMAGE.units says where they are. EARLIER is the path that an image had when it was packed before: a unit that
 * was in it is not packed again but copied from EARLIER.zip and EARLIER.zst (earlier-image.h). Nothing else
 * depends on it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include "earlier-image.h"
#include "zip-frame.h"

#define BLOCK 4096 /* of the file system that holds the image: the smallest hole */
#define LEAST_UNIT (1 << 20)
#define MARK 0xff /* bits of a block's sum that are zero at the end of a unit: one block of 256 */
#define MOST_THREADS 16 /* more find nothing to do: one thread reads and hashes */
#define ZIP_LEVEL 1 /* 6 takes twice the time for two percent */
#define ZST_LEVEL 3

/* What is already packed gains nothing from deflate, but takes most of its time. */
#define IS_PACKED(packed, size) ((packed) > (size) - (size) / 8)

/* A unit on its way: read, packed, written. */
struct unit {
	enum { FREE, READ, TAKEN, PACKED } state;
	int is_zero;
	size_t size;
	unsigned char *data;
	struct packed packed;
};

struct packer {
	z_stream fast, store;
	ZSTD_CCtx *zst;
};

struct range {
	uint64_t first, end;
	char digest[DIGEST];
};

static const char *path;
static int image;
static uint64_t size;
static unsigned char *zeros;
static struct packed packed_zeros; /* a whole unit of them */
static struct earlier *earlier;

static struct unit *ring;
static size_t slots;
static uint64_t next_to_pack, last_read; /* numbers of units; those below last_read have been read */
static int all_read;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static struct range *ranges;
static size_t range_count;
static char image_digest[DIGEST];

static void fail(const char *what) {
	fprintf(stderr, "pack-image: %s%s: %s\n", path, what, strerror(errno));
	_exit(1);
}

static void *allocate(size_t bytes) {
	void *memory = malloc(bytes);
	if (!memory) fail(": memory");
	return memory;
}

/* --- packing ----------------------------------------------------------------------------------- */

static void open_deflate(z_stream *stream, int level) {
	memset(stream, 0, sizeof *stream);
	if (deflateInit2(stream, level, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) fail(": deflate");
}

static void open_packer(struct packer *packer, int zip_level) {
	open_deflate(&packer->fast, zip_level);
	open_deflate(&packer->store, 0);
	packer->zst = ZSTD_createCCtx();
	if (!packer->zst) fail(": zstd");
	ZSTD_CCtx_setParameter(packer->zst, ZSTD_c_compressionLevel, ZST_LEVEL);
	ZSTD_CCtx_setParameter(packer->zst, ZSTD_c_checksumFlag, 1);
}

static size_t zip_bound(size_t bytes) { return bytes + bytes / 512 + 1024; }

/* Deflates to a stream of its own that ends at a byte boundary, so that streams can be joined. */
static size_t deflate_unit(z_stream *stream, unsigned char *to, const unsigned char *data, size_t bytes) {
	deflateReset(stream);
	stream->next_in = (unsigned char *)data;
	stream->avail_in = bytes;
	stream->next_out = to;
	stream->avail_out = zip_bound(UNIT);
	if (deflate(stream, Z_FULL_FLUSH) != Z_OK || stream->avail_in || !stream->avail_out) fail(".zip: deflate");
	return stream->next_out - to;
}

/* The digest of the content is known already. */
static void pack(struct packer *packer, const unsigned char *data, size_t bytes, struct packed *to) {
	to->zst_size = ZSTD_compress2(packer->zst, to->zst, ZSTD_compressBound(UNIT), data, bytes);
	if (ZSTD_isError(to->zst_size)) fail(".zst: zstd");
	to->zip_size = deflate_unit(IS_PACKED(to->zst_size, bytes) ? &packer->store : &packer->fast, to->zip, data, bytes);
	to->crc = crc32_z(0, data, bytes);
	digest_packed(to);
}

static void allocate_packed(struct packed *packed) {
	packed->zip = allocate(zip_bound(UNIT));
	packed->zst = allocate(ZSTD_compressBound(UNIT));
}

static void *pack_units(void *none) {
	struct packer packer;
	struct unit *unit;
	open_packer(&packer, ZIP_LEVEL);
	pthread_mutex_lock(&lock);
	for (;;) {
		while (next_to_pack == last_read && !all_read) pthread_cond_wait(&changed, &lock);
		if (next_to_pack == last_read) break;
		unit = &ring[next_to_pack++ % slots];
		if (unit->state != READ) continue;
		unit->state = TAKEN;
		pthread_mutex_unlock(&lock);
		digest_content(unit->data, unit->size, &unit->packed);
		if (!copy_earlier(earlier, &unit->packed)) pack(&packer, unit->data, unit->size, &unit->packed);
		pthread_mutex_lock(&lock);
		unit->state = PACKED;
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&lock);
	return none;
}

/* --- reading and hashing ----------------------------------------------------------------------- */

/* Gives the bytes from `at` on to the ranges that they belong to. */
static void hash_ranges(const unsigned char *data, uint64_t at, size_t bytes) {
	static size_t current;
	static EVP_MD_CTX *digest;
	uint64_t end = at + bytes;
	for (; current < range_count && ranges[current].first < end; current++) {
		struct range *range = &ranges[current];
		uint64_t from = range->first > at ? range->first : at, to = range->end < end ? range->end : end;
		if (!digest) digest = open_digest();
		if (to > from) EVP_DigestUpdate(digest, data + (from - at), to - from);
		if (range->end > end) return;
		close_digest(digest, range->digest);
		digest = NULL;
	}
}

static int is_zero(const unsigned char *data, size_t bytes) { return memcmp(data, zeros, bytes) == 0; }

static void dig_hole(uint64_t at, uint64_t bytes) {
	if (bytes > 0) fallocate(image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, bytes);
}

/* Blocks of zeros need no room. A file system without holes keeps them, and nothing is lost. */
static void dig_holes(const unsigned char *data, uint64_t at, size_t bytes) {
	size_t block, start = 0;
	for (block = 0; block < bytes; block += BLOCK) {
		if (is_zero(data + block, bytes - block < BLOCK ? bytes - block : BLOCK)) continue;
		dig_hole(at + start, block - start);
		start = block + BLOCK;
	}
	/* The last block may end behind the file. */
	if (start < bytes) dig_hole(at + start, block - start);
}

static void read_all(unsigned char *data, uint64_t at, size_t bytes) {
	while (bytes > 0) {
		ssize_t got = pread(image, data, bytes, at);
		if (got <= 0) fail("");
		data += got;
		at += got;
		bytes -= got;
	}
}

/* The beginning of a block is enough to tell it from most others; one of zeros is no mark. */
static int is_mark(const unsigned char *block) { return (crc32_z(0, block, 64) & MARK) == 0; }

/* How many of the bytes that follow each other belong to the first unit. */
static size_t unit_size(const unsigned char *data, size_t bytes) {
	size_t end;
	for (end = LEAST_UNIT; end < bytes; end += BLOCK)
		if (is_mark(data + end - BLOCK)) return end;
	return bytes;
}

static void *read_units(void *none) {
	EVP_MD_CTX *whole = open_digest();
	uint64_t number = 0, at, data_from = 0;
	size_t bytes;
	for (at = 0; at < size; at += bytes) {
		struct unit *unit = &ring[number++ % slots];
		const unsigned char *data;
		off_t found;
		bytes = size - at < UNIT ? size - at : UNIT;
		if (data_from <= at) {
			found = lseek(image, at, SEEK_DATA);
			if (found < 0 && errno != ENXIO) fail("");
			data_from = found < 0 ? size : found;
		}
		pthread_mutex_lock(&lock);
		while (unit->state != FREE) pthread_cond_wait(&changed, &lock);
		pthread_mutex_unlock(&lock);
		if (data_from < at + bytes) read_all(unit->data, at, bytes);
		unit->is_zero = data_from >= at + bytes || is_zero(unit->data, bytes);
		if (!unit->is_zero) bytes = unit_size(unit->data, bytes);
		unit->size = bytes;
		data = unit->is_zero ? zeros : unit->data;
		dig_holes(data, at, bytes);
		/* A short unit of zeros is the last one; it is packed as any other. */
		if (unit->is_zero && bytes < UNIT) {
			memset(unit->data, 0, bytes);
			unit->is_zero = 0;
		}
		pthread_mutex_lock(&lock);
		unit->state = unit->is_zero ? PACKED : READ;
		last_read = number;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		EVP_DigestUpdate(whole, data, bytes);
		hash_ranges(data, at, bytes);
	}
	pthread_mutex_lock(&lock);
	all_read = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	close_digest(whole, image_digest);
	return none;
}

/* --- writing ----------------------------------------------------------------------------------- */

static int create(const char *ending, char *name) {
	int fd;
	snprintf(name, PATH_MAX, "%s%s", path, ending);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) fail(ending);
	return fd;
}

static void write_all(int fd, const void *data, size_t bytes, const char *ending) {
	while (bytes > 0) {
		ssize_t written = write(fd, data, bytes);
		if (written < 0) fail(ending);
		data = (const char *)data + written;
		bytes -= written;
	}
}

/* What the packed bytes of a unit depend on, besides its content. */
static const char *packer_name(void) {
	static char name[100];
	snprintf(name, sizeof name, "zlib-%s-%d zstd-%s-%d units-%d-%d-%d", zlibVersion(), ZIP_LEVEL, ZSTD_versionString(), ZST_LEVEL, LEAST_UNIT, UNIT, MARK);
	return name;
}

static void write_units(void) {
	const char *epoch = getenv("SOURCE_DATE_EPOCH"), *slash = strrchr(path, '/');
	struct zip_entry entry = {slash ? slash + 1 : path, size, 0, 0, epoch ? atoll(epoch) : 315532800};
	unsigned char frame[ZIP_FRAME];
	char name[PATH_MAX];
	uint64_t number;
	size_t head = zip_head(frame, &entry);
	int zip = create(".zip", name), zst = create(".zst", name);
	FILE *list = fdopen(create(".units", name), "w");
	if (!list) fail(".units");
	print_packer(list, packer_name(), head);
	/* Written a second time at the end, when the sizes are known. */
	write_all(zip, frame, head, ".zip");
	for (number = 0;; number++) {
		struct unit *unit = &ring[number % slots];
		const struct packed *packed;
		int is_end;
		pthread_mutex_lock(&lock);
		while (number == last_read && !all_read) pthread_cond_wait(&changed, &lock);
		is_end = number == last_read;
		while (!is_end && unit->state != PACKED) pthread_cond_wait(&changed, &lock);
		pthread_mutex_unlock(&lock);
		if (is_end) break;
		packed = unit->is_zero ? &packed_zeros : &unit->packed;
		write_all(zip, packed->zip, packed->zip_size, ".zip");
		write_all(zst, packed->zst, packed->zst_size, ".zst");
		print_packed(list, packed);
		entry.crc = crc32_combine(entry.crc, packed->crc, unit->size);
		entry.packed += packed->zip_size;
		pthread_mutex_lock(&lock);
		unit->state = FREE;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	/* An empty last block ends the stream of blocks. */
	write_all(zip, "\003", 2, ".zip");
	entry.packed += 2;
	write_all(zip, frame, zip_tail(frame, &entry, head + entry.packed), ".zip");
	zip_head(frame, &entry);
	if (pwrite(zip, frame, head, 0) != (ssize_t)head || close(zip) != 0) fail(".zip");
	if (close(zst) != 0) fail(".zst");
	if (fclose(list) != 0) fail(".units");
}

static void read_ranges(void) {
	unsigned long long first, end;
	while (scanf("%llu %llu", &first, &end) == 2) {
		ranges = realloc(ranges, (range_count + 1) * sizeof *ranges);
		if (!ranges) fail(": memory");
		ranges[range_count].first = first;
		ranges[range_count].end = end;
		if (end > size || first >= end || (range_count && first < ranges[range_count - 1].end)) {
			errno = EINVAL;
			fail(": ranges");
		}
		range_count++;
	}
}

int main(int argc, char **argv) {
	pthread_t reader, workers[MOST_THREADS];
	struct packer packer;
	struct stat status;
	size_t i, threads;
	if (argc < 3 || argc > 4 || atoi(argv[1]) < 1) {
		fputs("usage: pack-image THREADS IMAGE [EARLIER]\n", stderr);
		return 2;
	}
	threads = atoi(argv[1]) < MOST_THREADS ? atoi(argv[1]) : MOST_THREADS;
	path = argv[2];
	image = open(path, O_RDWR | O_CLOEXEC);
	if (image < 0 || fstat(image, &status) != 0) fail("");
	size = status.st_size;
	read_ranges();
	if (argc == 4) earlier = open_earlier(argv[3], packer_name());

	zeros = calloc(1, UNIT);
	if (!zeros) fail(": memory");
	/* The same for every empty unit, so it may take its time and be as small as can be. */
	open_packer(&packer, 9);
	allocate_packed(&packed_zeros);
	digest_content(zeros, UNIT, &packed_zeros);
	pack(&packer, zeros, UNIT, &packed_zeros);
	slots = threads * 2 + 2;
	ring = calloc(slots, sizeof *ring);
	if (!ring) fail(": memory");
	for (i = 0; i < slots; i++) {
		ring[i].data = allocate(UNIT);
		allocate_packed(&ring[i].packed);
	}
	if (pthread_create(&reader, NULL, read_units, NULL) != 0) fail(": threads");
	for (i = 0; i < threads; i++)
		if (pthread_create(&workers[i], NULL, pack_units, NULL) != 0) fail(": threads");
	write_units();
	pthread_join(reader, NULL);
	for (i = 0; i < threads; i++) pthread_join(workers[i], NULL);

	puts(image_digest);
	for (i = 0; i < range_count; i++) puts(ranges[i].digest);
	return fflush(stdout) == 0 ? 0 : 1;
}

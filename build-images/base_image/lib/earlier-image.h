/*
 * Packed units of an image that was packed before. What packing makes of a unit follows from its content and
 * the packer alone, so a unit with the same content may be copied. The list of an image, IMAGE.units, has:
 *
 *   the packer's name, and where in IMAGE.zip the first unit begins
 *   for each unit: bytes in IMAGE.zip, bytes in IMAGE.zst, CRC-32 of its content, SHA-256 of all these
 */
#define UNIT (4 << 20)
#define DIGEST 65

/* A unit as it is written. */
struct packed {
	unsigned char *zip, *zst;
	size_t zip_size, zst_size;
	uint32_t crc;
	char digest[DIGEST];
};

struct earlier_unit {
	uint64_t zip_at, zst_at;
	struct packed packed; /* without its bytes */
};

struct earlier {
	int image, zip, zst;
	uint64_t size, count;
	struct earlier_unit *units;
};

static EVP_MD_CTX *open_digest(void) {
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	if (!digest || !EVP_DigestInit_ex(digest, EVP_sha256(), NULL)) {
		fputs("pack-image: no SHA-256\n", stderr);
		_exit(1);
	}
	return digest;
}

static void close_digest(EVP_MD_CTX *digest, char *hex) {
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int length, i;
	EVP_DigestFinal_ex(digest, sum, &length);
	for (i = 0; i < length; i++) sprintf(hex + 2 * i, "%02x", sum[i]);
	EVP_MD_CTX_free(digest);
}

/* Covers the CRC and the sizes, too: a damaged list is noticed as well as a damaged file. */
static void digest_packed(struct packed *packed) {
	EVP_MD_CTX *digest = open_digest();
	char head[80];
	int length = snprintf(head, sizeof head, "%zu %zu %08x\n", packed->zip_size, packed->zst_size, packed->crc);
	EVP_DigestUpdate(digest, head, length);
	EVP_DigestUpdate(digest, packed->zip, packed->zip_size);
	EVP_DigestUpdate(digest, packed->zst, packed->zst_size);
	close_digest(digest, packed->digest);
}

static void print_packer(FILE *list, const char *name, size_t first) { fprintf(list, "%s %zu\n", name, first); }

static void print_packed(FILE *list, const struct packed *packed) {
	fprintf(list, "%zu %zu %08x %s\n", packed->zip_size, packed->zst_size, packed->crc, packed->digest);
}

/* Whether all of it could be read. */
static int read_at(int fd, unsigned char *to, uint64_t at, size_t bytes) {
	while (bytes > 0) {
		ssize_t got = pread(fd, to, bytes, at);
		if (got <= 0) return 0;
		to += got;
		at += got;
		bytes -= got;
	}
	return 1;
}

static int open_beside(const char *path, const char *ending) {
	char name[PATH_MAX];
	snprintf(name, sizeof name, "%s%s", path, ending);
	return open(name, O_RDONLY | O_CLOEXEC);
}

/* Returns NULL for one that is not complete, or was packed by another packer: there is nothing to copy then. */
static struct earlier *open_earlier(const char *path, const char *packer) {
	struct earlier *earlier = calloc(1, sizeof *earlier);
	struct stat status;
	char name[PATH_MAX], line[200], expected[120];
	FILE *list;
	uint64_t number;
	size_t first;
	struct earlier_unit *unit;
	if (!earlier) return NULL;
	snprintf(name, sizeof name, "%s.units", path);
	earlier->image = open_beside(path, "");
	earlier->zip = open_beside(path, ".zip");
	earlier->zst = open_beside(path, ".zst");
	list = fopen(name, "re");
	if (earlier->image < 0 || earlier->zip < 0 || earlier->zst < 0 || !list || fstat(earlier->image, &status) != 0) return NULL;
	earlier->size = status.st_size;
	earlier->count = (earlier->size + UNIT - 1) / UNIT;
	earlier->units = calloc(earlier->count, sizeof *earlier->units);
	if (!earlier->units || !fgets(line, sizeof line, list)) return NULL;
	snprintf(expected, sizeof expected, "%s ", packer);
	if (strncmp(line, expected, strlen(expected)) != 0 || sscanf(line + strlen(expected), "%zu", &first) != 1) return NULL;
	for (number = 0; number < earlier->count; number++) {
		unit = &earlier->units[number];
		if (!fgets(line, sizeof line, list) ||
			sscanf(line, "%zu %zu %x %64s", &unit->packed.zip_size, &unit->packed.zst_size, &unit->packed.crc, unit->packed.digest) != 4 ||
			unit->packed.zip_size > UNIT + UNIT / 512 + 1024 || unit->packed.zst_size > ZSTD_compressBound(UNIT))
			return NULL;
		unit->zip_at = number ? unit[-1].zip_at + unit[-1].packed.zip_size : first;
		unit->zst_at = number ? unit[-1].zst_at + unit[-1].packed.zst_size : 0;
	}
	fclose(list);
	return earlier;
}

/*
 * Copies the packed form of a unit, if the earlier image has the same content there and its files are not
 * damaged. `room` has space for a unit. Returns whether it did.
 */
static int copy_earlier(const struct earlier *earlier, uint64_t number, const unsigned char *data, size_t bytes,
	unsigned char *room, struct packed *to) {
	const struct earlier_unit *unit;
	uint64_t at = number * UNIT;
	if (!earlier || number >= earlier->count) return 0;
	if ((earlier->size - at < UNIT ? earlier->size - at : UNIT) != bytes) return 0;
	if (!read_at(earlier->image, room, at, bytes) || memcmp(room, data, bytes) != 0) return 0;
	unit = &earlier->units[number];
	if (!read_at(earlier->zip, to->zip, unit->zip_at, unit->packed.zip_size)) return 0;
	if (!read_at(earlier->zst, to->zst, unit->zst_at, unit->packed.zst_size)) return 0;
	to->zip_size = unit->packed.zip_size;
	to->zst_size = unit->packed.zst_size;
	to->crc = unit->packed.crc;
	digest_packed(to);
	return strcmp(to->digest, unit->packed.digest) == 0;
}

/*
 * Packed units of an image that was packed before. What packing makes of a unit follows from its content and
 * the packer alone, so one with the same content may be copied. The list of an image, IMAGE.units, has:
 *
 *   the packer's name, and where in IMAGE.zip the first unit begins
 *   for each unit: bytes in IMAGE.zip, bytes in IMAGE.zst, CRC-32 of its content, SHA-256 of its content,
 *   and SHA-256 of all these with the packed bytes
 */
#define UNIT (4 << 20) /* the largest one */
#define DIGEST 65

/* A unit as it is written. */
struct packed {
	unsigned char *zip, *zst;
	size_t zip_size, zst_size;
	uint32_t crc;
	char content[DIGEST], digest[DIGEST];
};

struct earlier_unit {
	uint64_t zip_at, zst_at;
	struct packed packed; /* without its bytes */
};

struct earlier {
	int zip, zst;
	size_t count;
	struct earlier_unit *units; /* by content */
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

static void digest_content(const unsigned char *data, size_t bytes, struct packed *packed) {
	EVP_MD_CTX *digest = open_digest();
	EVP_DigestUpdate(digest, data, bytes);
	close_digest(digest, packed->content);
}

static int describe_packed(char line[200], const struct packed *packed) {
	return snprintf(line, 200, "%zu %zu %08x %s", packed->zip_size, packed->zst_size, packed->crc, packed->content);
}

/* Covers what the list says, too: a damaged list is noticed as well as a damaged file. */
static void digest_packed(struct packed *packed) {
	EVP_MD_CTX *digest = open_digest();
	char line[200];
	EVP_DigestUpdate(digest, line, describe_packed(line, packed));
	EVP_DigestUpdate(digest, packed->zip, packed->zip_size);
	EVP_DigestUpdate(digest, packed->zst, packed->zst_size);
	close_digest(digest, packed->digest);
}

static void print_packer(FILE *list, const char *name, size_t first) { fprintf(list, "%s %zu\n", name, first); }

static void print_packed(FILE *list, const struct packed *packed) {
	char line[200];
	describe_packed(line, packed);
	fprintf(list, "%s %s\n", line, packed->digest);
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

static int by_content(const void *a, const void *b) {
	return strcmp(((const struct earlier_unit *)a)->packed.content, ((const struct earlier_unit *)b)->packed.content);
}

/* Returns NULL for one that is not there, or was packed by another packer: there is nothing to copy then. */
static struct earlier *open_earlier(const char *path, const char *packer) {
	struct earlier *earlier = calloc(1, sizeof *earlier);
	struct earlier_unit unit = {0};
	char name[PATH_MAX], line[300], expected[120];
	size_t first;
	FILE *list;
	if (!earlier) return NULL;
	snprintf(name, sizeof name, "%s.units", path);
	earlier->zip = open_beside(path, ".zip");
	earlier->zst = open_beside(path, ".zst");
	list = fopen(name, "re");
	if (earlier->zip < 0 || earlier->zst < 0 || !list || !fgets(line, sizeof line, list)) return NULL;
	snprintf(expected, sizeof expected, "%s ", packer);
	if (strncmp(line, expected, strlen(expected)) != 0 || sscanf(line + strlen(expected), "%zu", &first) != 1) return NULL;
	unit.zip_at = first;
	/* Up to the first line that is none; those before it are checked when they are used. */
	while (fgets(line, sizeof line, list) &&
		sscanf(line, "%zu %zu %x %64s %64s", &unit.packed.zip_size, &unit.packed.zst_size, &unit.packed.crc,
			unit.packed.content, unit.packed.digest) == 5 &&
		unit.packed.zip_size <= UNIT + UNIT / 512 && unit.packed.zst_size <= ZSTD_compressBound(UNIT)) {
		if (earlier->count % 256 == 0) {
			struct earlier_unit *more = realloc(earlier->units, (earlier->count + 256) * sizeof unit);
			if (!more) break;
			earlier->units = more;
		}
		earlier->units[earlier->count++] = unit;
		unit.zip_at += unit.packed.zip_size;
		unit.zst_at += unit.packed.zst_size;
	}
	fclose(list);
	qsort(earlier->units, earlier->count, sizeof unit, by_content);
	return earlier;
}

/*
 * Copies the packed form of a unit with the same content, if the earlier image has one and its files are not
 * damaged. Returns whether it did.
 */
static int copy_earlier(const struct earlier *earlier, struct packed *to) {
	struct earlier_unit wanted;
	const struct earlier_unit *unit;
	if (!earlier || earlier->count == 0) return 0;
	strcpy(wanted.packed.content, to->content);
	unit = bsearch(&wanted, earlier->units, earlier->count, sizeof wanted, by_content);
	if (!unit) return 0;
	if (!read_at(earlier->zip, to->zip, unit->zip_at, unit->packed.zip_size)) return 0;
	if (!read_at(earlier->zst, to->zst, unit->zst_at, unit->packed.zst_size)) return 0;
	to->zip_size = unit->packed.zip_size;
	to->zst_size = unit->packed.zst_size;
	to->crc = unit->packed.crc;
	digest_packed(to);
	return strcmp(to->digest, unit->packed.digest) == 0;
}

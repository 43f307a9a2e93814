/*
 * Prints the SHA-256 of files as sha256sum does, without reading their holes: reading one fills the page
 * cache with zeros, which takes several times as long as hashing them.
 *
 * usage: sparse-sha256 [--] FILE...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (256 << 10) /* stays in the cache of the processor */

static unsigned char zeros[BLOCK], block[BLOCK];

static size_t at_most(uint64_t bytes) { return bytes < BLOCK ? bytes : BLOCK; }

static void hash_hole(EVP_MD_CTX *digest, uint64_t bytes) {
	for (; bytes > 0; bytes -= at_most(bytes)) EVP_DigestUpdate(digest, zeros, at_most(bytes));
}

static int hash_data(EVP_MD_CTX *digest, int fd, uint64_t at, uint64_t end) {
	while (at < end) {
		ssize_t got = pread(fd, block, at_most(end - at), at);
		if (got < 0) return -1;
		if (got == 0) { /* it became shorter */
			errno = EIO;
			return -1;
		}
		EVP_DigestUpdate(digest, block, got);
		at += got;
	}
	return 0;
}

static int hash_file(EVP_MD_CTX *digest, int fd) {
	struct stat status;
	uint64_t at, size;
	if (fstat(fd, &status) != 0) return -1;
	size = status.st_size;
	for (at = 0; at < size;) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;
		if (data < 0 && errno == ENXIO) data = size; /* the rest is a hole */
		else if (data < 0) data = at; /* a file system that knows no holes */
		if ((uint64_t)data > size) data = size;
		hash_hole(digest, data - at);
		hole = (uint64_t)data < size ? lseek(fd, data, SEEK_HOLE) : (off_t)size;
		if (hole < 0 || (uint64_t)hole > size) hole = size;
		if (hash_data(digest, fd, data, hole) != 0) return -1;
		at = hole;
	}
	return 0;
}

int main(int count, char **argv) {
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned i, length;
	int failed = 0;
	if (*++argv && strcmp(*argv, "--") == 0) argv++;
	if (!*argv) {
		fputs("usage: sparse-sha256 [--] FILE...\n", stderr);
		return 2;
	}
	for (; *argv; argv++) {
		int fd = open(*argv, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || !EVP_DigestInit_ex(digest, EVP_sha256(), NULL) || hash_file(digest, fd) != 0) {
			fprintf(stderr, "sparse-sha256: %s: %s\n", *argv, strerror(errno));
			failed = 1;
		} else {
			EVP_DigestFinal_ex(digest, sum, &length);
			for (i = 0; i < length; i++) printf("%02x", sum[i]);
			printf("  %s\n", *argv);
		}
		if (fd >= 0) close(fd);
	}
	return fflush(stdout) == 0 ? failed : 1;
}

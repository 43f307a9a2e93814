/*
 * Runs the tools of the build container in place of their twins of a foreign architecture.
 *
 * Maintainer scripts spend their time on starting small programs (sh, sed, perl, dpkg, ...), each of
 * which costs tens of milliseconds under qemu. This library is preloaded into the programs that
 * start others; when one of them, inside a root file system that `native-tools enter` has prepared,
 * executes a program whose own-architecture twin lies under /.hypriotkit/root, the twin is executed.
 * Nothing in the root file system is replaced, so nothing has to be restored, packages may be
 * unpacked over the programs at any time, and everything that has no twin is simply emulated.
 *
 * The twin is started through its own loader (/.hypriotkit/ld.so) with this library preloaded by an
 * option: the environment stays as it was, no emulated program sees a preload it cannot use, and
 * `env -i` does not end the chain.
 *
 * There is no /proc in such a root, so no program can find out that the loader started it.
 *
 * No memory is allocated and no variable of the caller is changed: the code runs between vfork and exec.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOM "/.hypriotkit"
#define LOADER ROOM "/ld.so"
#define SELF ROOM "/native-exec.so"
#define TWINS ROOM "/root"
#define INSTALLED "/usr/lib/hypriotkit/native-exec.so" /* in the build container */

#if defined(__x86_64__)
#define NATIVE_MACHINE 62
#elif defined(__aarch64__)
#define NATIVE_MACHINE 183
#else
#error "add the e_machine of this architecture"
#endif

extern char **environ;

static int real_execve(const char *path, char *const argv[], char *const envp[]) {
	return syscall(SYS_execve, path, argv, envp);
}

/* Reads the head of a file that may be executed; the number of bytes, or -1. */
static int read_head(const char *path, char *head, int size) {
	int fd, length;
	if (access(path, X_OK) != 0) return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	length = read(fd, head, size);
	close(fd);
	return length;
}

/* Whether the file is a program for another machine and has a twin; its path goes to twin. */
static int find_twin(const char *path, const char *head, int length, char *twin) {
	int machine;
	if (length < 20 || memcmp(head, "\177ELF", 4) != 0) return 0;
	/* e_machine, in the byte order that e_ident names */
	machine = head[5] == 2 ? (unsigned char)head[18] << 8 | (unsigned char)head[19]
			       : (unsigned char)head[19] << 8 | (unsigned char)head[18];
	if (machine == NATIVE_MACHINE) return 0;
	memcpy(twin, TWINS, sizeof TWINS - 1);
	/* /bin/sh, /usr/bin/awk and the like are links: twins lie under the real names */
	if (!realpath(path, twin + sizeof TWINS - 1)) return 0;
	return access(twin, X_OK) == 0;
}

/*
 * Whether the program only compiles Python's sources ahead of their first use: py3compile of the
 * maintainer scripts, and python3.X .../py_compile.py of Python's own. Under qemu that takes minutes, and
 * clean-root.sh removes what it makes (compile-python makes it natively, where it is wanted).
 */
static int compiles_python(const char *path, char *const argv[]) {
	const char *name = strrchr(path, '/');
	int i;
	name = name ? name + 1 : path;
	if (strcmp(name, "py3compile") == 0) return 1;
	if (strncmp(name, "python3", 7) != 0) return 0;
	for (i = 1; i < 4 && argv && argv[i]; i++) {
		const char *script = strrchr(argv[i], '/');
		if (script && strcmp(script, "/py_compile.py") == 0) return 1;
	}
	return 0;
}

static int execute(const char *path, char *const argv[], char *const envp[]) {
	char head[256], twin[sizeof TWINS + PATH_MAX];
	const char *program = path, *interpreter = NULL, *option = NULL;
	int argc = 0, envc = 0, length, i, n = 0;

	if (access(INSTALLED, F_OK) == 0) /* not inside a root file system yet */
		return real_execve(path, argv, envp);

	while (argv && argv[argc]) argc++;
	while (envp && envp[envc]) envc++;

	/* LD_PRELOAD named this library to the outermost program; in here it is not to be found. */
	char *clean[envc + 1];
	for (i = 0; i < envc; i++)
		if (strcmp(envp[i], "LD_PRELOAD=" INSTALLED) != 0) clean[n++] = envp[i];
	clean[n] = NULL;

	if (access(LOADER, F_OK) != 0) /* and this one was not prepared */
		return real_execve(path, argv, clean);

	if (compiles_python(path, argv) && access(path, X_OK) == 0) {
		char *nothing[] = {(char *)"true", NULL};
		return execute("/usr/bin/true", nothing, clean);
	}

	length = read_head(path, head, sizeof head - 1);
	if (length > 2 && head[0] == '#' && head[1] == '!') {
		/* What the kernel would do: "#!" interpreter, at most one argument, script. */
		char *p = head + 2, *end;
		head[length] = 0;
		end = strchr(p, '\n');
		if (!end) return real_execve(path, argv, clean);
		while (end > p && (end[-1] == ' ' || end[-1] == '\t')) end--;
		*end = 0;
		while (*p == ' ' || *p == '\t') p++;
		interpreter = p;
		while (*p && *p != ' ' && *p != '\t') p++;
		if (*p) {
			*p++ = 0;
			while (*p == ' ' || *p == '\t') p++;
			if (*p) option = p;
		}
		program = interpreter;
	}

	char second[20];
	if (interpreter) {
		length = read_head(program, second, sizeof second);
		if (!find_twin(program, second, length, twin)) return real_execve(path, argv, clean);
	} else if (!find_twin(program, head, length, twin)) {
		return real_execve(path, argv, clean);
	}

	char *args[argc + 12];
	n = 0;
	args[n++] = (char *)LOADER;
	args[n++] = (char *)"--argv0";
	args[n++] = (char *)(interpreter ? interpreter : argc ? argv[0] : path);
	args[n++] = (char *)"--preload";
	args[n++] = (char *)SELF;
	args[n++] = (char *)"--library-path";
	args[n++] = (char *)ROOM "/lib";
	args[n++] = twin;
	if (option) args[n++] = (char *)option;
	if (interpreter) args[n++] = (char *)path;
	for (i = 1; i < argc; i++) args[n++] = argv[i];
	args[n] = NULL;
	return real_execve(LOADER, args, clean);
}

/* The functions of libc that execute a program, with libc's own rules for PATH and for scripts without "#!". */

static int execute_or_shell(const char *path, char *const argv[], char *const envp[]) {
	execute(path, argv, envp);
	if (errno == ENOEXEC) {
		int argc = 0, i;
		while (argv[argc]) argc++;
		char *args[argc + 3];
		args[0] = (char *)"/bin/sh";
		args[1] = (char *)path;
		for (i = 1; i < argc; i++) args[i + 1] = argv[i];
		args[argc > 0 ? argc + 1 : 2] = NULL;
		execute("/bin/sh", args, envp);
	}
	return -1;
}

static int execute_in_path(const char *file, char *const argv[], char *const envp[]) {
	const char *path = getenv("PATH"), *end;
	int denied = 0;
	if (!*file) {
		errno = ENOENT;
		return -1;
	}
	if (strchr(file, '/')) return execute_or_shell(file, argv, envp);
	for (path = path ? path : "/bin:/usr/bin";; path = end + 1) {
		char full[PATH_MAX];
		size_t length;
		end = strchrnul(path, ':');
		length = end - path;
		if (length + strlen(file) + 2 <= sizeof full) {
			memcpy(full, path, length);
			if (length) full[length++] = '/';
			strcpy(full + length, file);
			execute_or_shell(full, argv, envp);
			if (errno == EACCES) denied = 1;
			else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV && errno != ETIMEDOUT) return -1;
		}
		if (!*end) break;
	}
	errno = denied ? EACCES : ENOENT;
	return -1;
}

int execve(const char *path, char *const argv[], char *const envp[]) { return execute(path, argv, envp); }
int execv(const char *path, char *const argv[]) { return execute(path, argv, environ); }
int execvp(const char *file, char *const argv[]) { return execute_in_path(file, argv, environ); }
int execvpe(const char *file, char *const argv[], char *const envp[]) { return execute_in_path(file, argv, envp); }

/* Gathers the arguments of an execl function into `args`, and for execle the environment behind them. */
#define GATHER(first, args, rest)                                                  \
	va_list list, copy;                                                        \
	int count = 1, index;                                                      \
	va_start(list, first);                                                     \
	va_copy(copy, list);                                                       \
	while (va_arg(copy, char *)) count++;                                      \
	va_end(copy);                                                              \
	char *args[count + 1];                                                     \
	args[0] = (char *)first;                                                   \
	for (index = 1; index <= count; index++) args[index] = va_arg(list, char *); \
	rest;                                                                      \
	va_end(list)

int execl(const char *path, const char *arg, ...) {
	GATHER(arg, args, );
	return execute(path, args, environ);
}
int execlp(const char *file, const char *arg, ...) {
	GATHER(arg, args, );
	return execute_in_path(file, args, environ);
}
int execle(const char *path, const char *arg, ...) {
	char **envp;
	GATHER(arg, args, envp = va_arg(list, char **));
	return execute(path, args, envp);
}

/* Load on an NFSv3 server, by libnfs: many requests in flight over many mounts.
 *
 *   cc -O2 -o nfs-load nfs-load.c -lnfs
 *   nfs-load SERVER EXPORT PATH read|getattr|lookup|verify [CLIENTS [DEPTH [SECONDS [BYTES]]]]
 *   nfs-load hash FILE
 *
 * Each client finds the ports by the port mapper, mounts EXPORT, looks PATH up and then keeps
 * DEPTH calls in flight for SECONDS: READs of BYTES one behind the other from the start of the
 * file to its end and again, GETATTRs of it, or LOOKUPs of its name. Prints one line:
 *
 *   calls 123 bytes 456 seconds 3.000 sum 0x…
 *
 * `verify` reads the file once with every client and prints its FNV-1a hash as `sum`; it fails
 * when two clients read different bytes. `hash` prints that of a local file.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>

/* FNV-1a of nothing. */
#define EMPTY 0xcbf29ce484222325ULL

enum what { READ, GETATTR, LOOKUP, VERIFY };

struct client;

/* One call in flight. */
struct call {
	struct client *client;
	uint64_t offset;
	uint32_t expected;
};

struct client {
	struct rpc_context *rpc;
	struct call *calls;
	/* The handle under way: the export, then each folder, then the file. */
	char handle[64];
	int handle_len;
	/* The folder of the file, for lookups. */
	char folder[64];
	int folder_len;
	char *rest;
	char *name;
	uint64_t size;
	uint64_t next;
	/* Of `verify`. */
	uint64_t hash;
	uint64_t hashed;
	int in_flight;
	int ready;
};

static const char *server, *export;
static enum what what;
static int count = 1, depth = 8;
static uint32_t bytes_per_read = 1 << 20;
static double seconds = 3;
static uint64_t calls_done, bytes_done;
static int ready_count, is_over;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *why, const char *detail)
{
	fprintf(stderr, "nfs-load: %s: %s\n", why, detail ? detail : "");
	exit(1);
}

static void check(struct client *c, int status, void *data, const char *why)
{
	if (status != RPC_STATUS_SUCCESS)
		die(why, status == RPC_STATUS_ERROR && data ? (char *)data : rpc_get_error(c->rpc));
}

static uint64_t hash(uint64_t before, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		before = (before ^ bytes[i]) * 0x100000001b3ULL;
	return before;
}

static void issue(struct call *call);

static void done(struct call *call)
{
	call->client->in_flight--;
	calls_done++;
	issue(call);
}

static void on_read(struct rpc_context *rpc, int status, void *data, void *private)
{
	struct call *call = private;
	struct client *c = call->client;
	READ3res *res = data;
	(void)rpc;
	check(c, status, data, "READ");
	if (res->status != NFS3_OK)
		die("READ", nfsstat3_to_str(res->status));
	READ3resok *ok = &res->READ3res_u.resok;
	if (ok->data.data_len != call->expected)
		die("READ", "another length than expected");
	bytes_done += ok->data.data_len;
	if (what == VERIFY) {
		if (call->offset != c->hashed)
			die("READ", "out of order");
		c->hash = hash(c->hash, (unsigned char *)ok->data.data_val, ok->data.data_len);
		c->hashed += ok->data.data_len;
	}
	done(call);
}

static void on_getattr(struct rpc_context *rpc, int status, void *data, void *private)
{
	struct call *call = private;
	GETATTR3res *res = data;
	(void)rpc;
	check(call->client, status, data, "GETATTR");
	if (res->status != NFS3_OK || res->GETATTR3res_u.resok.obj_attributes.size != call->client->size)
		die("GETATTR", "wrong answer");
	done(call);
}

static void on_lookup(struct rpc_context *rpc, int status, void *data, void *private)
{
	struct call *call = private;
	LOOKUP3res *res = data;
	(void)rpc;
	check(call->client, status, data, "LOOKUP");
	if (res->status != NFS3_OK || (int)res->LOOKUP3res_u.resok.object.data.data_len != call->client->handle_len)
		die("LOOKUP", "wrong answer");
	done(call);
}

static void issue(struct call *call)
{
	struct client *c = call->client;
	struct nfs_fh3 fh;
	int failed;
	if (is_over)
		return;
	fh.data.data_val = c->handle;
	fh.data.data_len = c->handle_len;
	switch (what) {
	case READ:
		if (c->next >= c->size)
			c->next = 0;
		/* fall through */
	case VERIFY:
		if (c->next >= c->size)
			return;
		call->offset = c->next;
		call->expected = c->size - c->next < bytes_per_read ? c->size - c->next : bytes_per_read;
		c->next += call->expected;
		READ3args args;
		args.file = fh;
		args.offset = call->offset;
		args.count = call->expected;
		failed = rpc_nfs3_read_async(c->rpc, on_read, &args, call);
		break;
	case GETATTR: {
		GETATTR3args args = { .object = fh };
		failed = rpc_nfs3_getattr_async(c->rpc, on_getattr, &args, call);
		break;
	}
	default: {
		LOOKUP3args args;
		args.what.dir.data.data_val = c->folder;
		args.what.dir.data.data_len = c->folder_len;
		args.what.name = c->name;
		failed = rpc_nfs3_lookup_async(c->rpc, on_lookup, &args, call);
	}
	}
	if (failed)
		die("a call cannot be queued", rpc_get_error(c->rpc));
	c->in_flight++;
}

static void walk(struct client *c);

static void on_size(struct rpc_context *rpc, int status, void *data, void *private)
{
	struct client *c = private;
	GETATTR3res *res = data;
	(void)rpc;
	check(c, status, data, "GETATTR");
	if (res->status != NFS3_OK)
		die("GETATTR", nfsstat3_to_str(res->status));
	c->size = res->GETATTR3res_u.resok.obj_attributes.size;
	c->ready = 1;
	ready_count++;
}

static void on_walk(struct rpc_context *rpc, int status, void *data, void *private)
{
	struct client *c = private;
	LOOKUP3res *res = data;
	(void)rpc;
	check(c, status, data, "LOOKUP");
	if (res->status != NFS3_OK)
		die(c->name, nfsstat3_to_str(res->status));
	memcpy(c->folder, c->handle, c->folder_len = c->handle_len);
	c->handle_len = res->LOOKUP3res_u.resok.object.data.data_len;
	memcpy(c->handle, res->LOOKUP3res_u.resok.object.data.data_val, c->handle_len);
	walk(c);
}

static void walk(struct client *c)
{
	struct nfs_fh3 fh;
	fh.data.data_val = c->handle;
	fh.data.data_len = c->handle_len;
	char *name = strsep(&c->rest, "/");
	if (!name) {
		GETATTR3args args = { .object = fh };
		if (rpc_nfs3_getattr_async(c->rpc, on_size, &args, c))
			die("GETATTR", rpc_get_error(c->rpc));
		return;
	}
	c->name = name;
	LOOKUP3args args;
	args.what.dir = fh;
	args.what.name = name;
	if (rpc_nfs3_lookup_async(c->rpc, on_walk, &args, c))
		die("LOOKUP", rpc_get_error(c->rpc));
}

static void on_nfs(struct rpc_context *rpc, int status, void *data, void *private)
{
	struct client *c = private;
	(void)rpc;
	check(c, status, data, "NFS cannot be reached");
	walk(c);
}

static void on_mounted(struct rpc_context *rpc, int status, void *data, void *private)
{
	struct client *c = private;
	mountres3 *res = data;
	check(c, status, data, "MNT");
	if (res->fhs_status != MNT3_OK)
		die("MNT", mountstat3_to_str(res->fhs_status));
	c->handle_len = res->mountres3_u.mountinfo.fhandle.fhandle3_len;
	memcpy(c->handle, res->mountres3_u.mountinfo.fhandle.fhandle3_val, c->handle_len);
	rpc_disconnect(rpc, "mounted");
	if (rpc_connect_program_async(rpc, server, NFS_PROGRAM, NFS_V3, on_nfs, c))
		die("NFS", rpc_get_error(rpc));
}

static void on_mountd(struct rpc_context *rpc, int status, void *data, void *private)
{
	struct client *c = private;
	check(c, status, data, "MOUNT cannot be reached");
	if (rpc_mount3_mnt_async(rpc, on_mounted, (char *)export, c))
		die("MNT", rpc_get_error(rpc));
}

static void service(struct client *clients, struct pollfd *polls, int timeout)
{
	for (int i = 0; i < count; i++) {
		polls[i].fd = rpc_get_fd(clients[i].rpc);
		polls[i].events = rpc_which_events(clients[i].rpc);
		polls[i].revents = 0;
	}
	if (poll(polls, count, timeout) < 0 && errno != EINTR)
		die("poll", strerror(errno));
	for (int i = 0; i < count; i++)
		if (polls[i].revents && rpc_service(clients[i].rpc, polls[i].revents) < 0)
			die("the connection broke", rpc_get_error(clients[i].rpc));
}

static int hash_file(const char *path)
{
	static unsigned char buffer[1 << 16];
	uint64_t sum = EMPTY;
	size_t len;
	FILE *file = fopen(path, "rb");
	if (!file)
		die(path, strerror(errno));
	while ((len = fread(buffer, 1, sizeof buffer, file)) > 0)
		sum = hash(sum, buffer, len);
	fclose(file);
	printf("sum 0x%016" PRIx64 "\n", sum);
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	if (argc == 3 && !strcmp(argv[1], "hash"))
		return hash_file(argv[2]);
	if (argc < 5)
		die("usage", "nfs-load SERVER EXPORT PATH read|getattr|lookup|verify [CLIENTS [DEPTH [SECONDS [BYTES]]]]");
	server = argv[1];
	export = argv[2];
	what = !strcmp(argv[4], "read") ? READ : !strcmp(argv[4], "getattr") ? GETATTR :
	       !strcmp(argv[4], "lookup") ? LOOKUP : VERIFY;
	if (argc > 5) count = atoi(argv[5]);
	if (argc > 6) depth = atoi(argv[6]);
	if (argc > 7) seconds = atof(argv[7]);
	if (argc > 8) bytes_per_read = atoi(argv[8]);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	struct client *clients = calloc(count, sizeof *clients);
	struct pollfd *polls = calloc(count, sizeof *polls);
	for (int i = 0; i < count; i++) {
		struct client *c = &clients[i];
		c->rpc = rpc_init_context();
		c->rest = strdup(argv[3]);
		c->hash = EMPTY;
		c->calls = calloc(depth, sizeof *c->calls);
		if (rpc_connect_program_async(c->rpc, server, MOUNT_PROGRAM, MOUNT_V3, on_mountd, c))
			die("MOUNT", rpc_get_error(c->rpc));
	}
	double deadline = now() + 30;
	while (ready_count < count) {
		service(clients, polls, 1000);
		if (now() > deadline)
			die("mounting", "not done after 30 s");
	}
	double begun = now();
	for (int i = 0; i < count; i++)
		for (int j = 0; j < depth; j++) {
			clients[i].calls[j].client = &clients[i];
			issue(&clients[i].calls[j]);
		}
	while (!is_over) {
		service(clients, polls, 100);
		int in_flight = 0;
		for (int i = 0; i < count; i++)
			in_flight += clients[i].in_flight;
		is_over = in_flight == 0 || (what != VERIFY && now() - begun >= seconds);
	}
	double took = now() - begun;
	for (int i = 0; what == VERIFY && i < count; i++)
		if (clients[i].hashed != clients[i].size || clients[i].hash != clients[0].hash)
			die("verify", "two clients read different bytes");
	printf("calls %" PRIu64 " bytes %" PRIu64 " seconds %.3f sum 0x%016" PRIx64 "\n",
	       calls_done, bytes_done, took, clients[0].hash);
	return 0;
}

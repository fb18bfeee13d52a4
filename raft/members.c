#include "raft/members.h"

#include "raft/plant.h"
#include "raft/wire.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

enum { MEMBERS_VERSION = 2, MEMBER_FLAGS_ALL = 15 };

static bool flags_valid(uint8_t flags)
{
    bool votes = (flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_VOTER_OLD)) != 0;
    bool learns = (flags & RAFT_MEMBER_LEARNER) != 0;
    /* An outgoing voter may become a learner; an incoming voter is none. */
    bool both = learns && (flags & RAFT_MEMBER_VOTER) != 0;
    bool joins = (flags & RAFT_MEMBER_JOINING) != 0;
    return (votes || learns) && !both && (learns || !joins) && (flags & ~MEMBER_FLAGS_ALL) == 0;
}

static bool has_zero(struct slice text)
{
    return text.len > 0 && memchr(text.data, '\0', text.len) != NULL;
}

static int add(struct raft_members *members, uint64_t id, struct slice name, struct slice url,
               uint8_t flags)
{
    if (id == 0 || !flags_valid(flags) || name.len >= RAFT_NAME_MAX || url.len >= RAFT_URL_MAX ||
        has_zero(name) || has_zero(url)) {
        return -EINVAL;
    }
    if (raft_members_place(members, id) >= 0) {
        return -EEXIST;
    }
    if (members->count == RAFT_MEMBERS_MAX) {
        return -ENOSPC;
    }
    size_t at = members->count;
    while (at > 0 && members->items[at - 1].id > id) {
        members->items[at] = members->items[at - 1];
        at--;
    }
    struct raft_member *member = &members->items[at];
    *member = (struct raft_member){.id = id, .flags = flags};
    if (name.len > 0) {
        memcpy(member->name, name.data, name.len);
    }
    if (url.len > 0) {
        memcpy(member->url, url.data, url.len);
    }
    members->count++;
    return 0;
}

int raft_members_add(struct raft_members *members, uint64_t id, const char *name, const char *url,
                     uint8_t flags)
{
    return add(members, id, slice_text(name), slice_text(url), flags);
}

void raft_members_remove(struct raft_members *members, size_t place)
{
    assert(place < members->count);
    members->count--;
    for (size_t i = place; i < members->count; i++) {
        members->items[i] = members->items[i + 1];
    }
    members->items[members->count] = (struct raft_member){0};
}

int raft_members_rename(struct raft_members *members, size_t place, const char *name,
                        const char *url)
{
    struct raft_member *member = &members->items[place];
    if ((name != NULL && strlen(name) >= RAFT_NAME_MAX) ||
        (url != NULL && strlen(url) >= RAFT_URL_MAX)) {
        return -EINVAL;
    }
    if (name != NULL) {
        memset(member->name, 0, RAFT_NAME_MAX);
        memcpy(member->name, name, strlen(name));
    }
    if (url != NULL) {
        memset(member->url, 0, RAFT_URL_MAX);
        memcpy(member->url, url, strlen(url));
    }
    return 0;
}

int raft_members_place(const struct raft_members *members, uint64_t id)
{
    for (size_t i = 0; i < members->count; i++) {
        if (members->items[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

const struct raft_member *raft_members_find(const struct raft_members *members, uint64_t id)
{
    int place = raft_members_place(members, id);
    return place < 0 ? NULL : &members->items[place];
}

bool raft_members_is_voter(const struct raft_members *members, uint64_t id)
{
    const struct raft_member *member = raft_members_find(members, id);
    return member != NULL && (member->flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_VOTER_OLD)) != 0;
}

bool raft_members_joint(const struct raft_members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        if ((members->items[i].flags & RAFT_MEMBER_VOTER_OLD) != 0) {
            return true;
        }
    }
    return false;
}

void raft_members_enter(struct raft_members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        if ((members->items[i].flags & RAFT_MEMBER_VOTER) != 0) {
            members->items[i].flags |= RAFT_MEMBER_VOTER_OLD;
        }
    }
}

void raft_members_leave(struct raft_members *members)
{
    for (size_t i = members->count; i > 0; i--) {
        members->items[i - 1].flags &= (uint8_t)~RAFT_MEMBER_VOTER_OLD;
        if (members->items[i - 1].flags == 0) {
            raft_members_remove(members, i - 1);
        }
    }
}

static bool counts(uint8_t flags, uint8_t half)
{
    uint8_t learner = PLANTED == PLANT_LEARNER_COUNTS ? RAFT_MEMBER_LEARNER : 0;
    return (flags & (half | learner)) != 0;
}

static bool half_quorum(const struct raft_members *members, const bool *yes, uint8_t flag)
{
    size_t voters = 0;
    size_t agreed = 0;
    for (size_t i = 0; i < members->count; i++) {
        if (counts(members->items[i].flags, flag)) {
            voters++;
            agreed += yes[i] ? 1 : 0;
        }
    }
    return agreed > voters / 2;
}

bool raft_members_quorum(const struct raft_members *members, const bool *yes)
{
    if (!half_quorum(members, yes, RAFT_MEMBER_VOTER)) {
        return false;
    }
    bool one = !raft_members_joint(members) || PLANTED == PLANT_JOINT_ONE_MAJORITY;
    return one || half_quorum(members, yes, RAFT_MEMBER_VOTER_OLD);
}

static uint64_t half_value(const struct raft_members *members, const uint64_t *values, uint8_t flag)
{
    uint64_t sorted[RAFT_MEMBERS_MAX]; /* Descending. */
    size_t count = 0;
    for (size_t i = 0; i < members->count; i++) {
        if (!counts(members->items[i].flags, flag)) {
            continue;
        }
        size_t at = count++;
        while (at > 0 && sorted[at - 1] < values[i]) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = values[i];
    }
    return count == 0 ? 0 : sorted[count / 2];
}

uint64_t raft_members_quorum_value(const struct raft_members *members, const uint64_t *values)
{
    uint64_t incoming = half_value(members, values, RAFT_MEMBER_VOTER);
    if (!raft_members_joint(members) || PLANTED == PLANT_JOINT_ONE_MAJORITY) {
        return incoming;
    }
    uint64_t outgoing = half_value(members, values, RAFT_MEMBER_VOTER_OLD);
    return incoming < outgoing ? incoming : outgoing;
}

void raft_members_encode(const struct raft_members *members, struct buffer *out)
{
    wire_put(out, MEMBERS_VERSION, 1);
    wire_put(out, members->count, 1);
    for (size_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->items[i];
        struct slice name = slice_text(member->name);
        struct slice url = slice_text(member->url);
        wire_put(out, member->id, 8);
        wire_put(out, member->flags, 1);
        wire_put(out, member->incarnation, 8);
        wire_put(out, name.len, 1);
        wire_put(out, url.len, 2);
        buffer_append_slice(out, name);
        buffer_append_slice(out, url);
    }
}

int raft_members_decode(struct slice bytes, struct raft_members *ret_members)
{
    struct wire_reader reader = {.left = bytes};
    struct raft_members members = {0};
    bool voter = false;
    if (wire_u8(&reader) != MEMBERS_VERSION) {
        return -EBADMSG;
    }
    size_t count = wire_u8(&reader);
    for (size_t i = 0; i < count; i++) {
        uint64_t id = wire_u64(&reader);
        uint8_t flags = wire_u8(&reader);
        uint64_t incarnation = wire_u64(&reader);
        size_t name_len = wire_u8(&reader);
        size_t url_len = (size_t)wire_get(&reader, 2);
        struct slice name = wire_bytes(&reader, name_len);
        struct slice url = wire_bytes(&reader, url_len);
        if (reader.failed || add(&members, id, name, url, flags) < 0) {
            return -EBADMSG;
        }
        members.items[raft_members_place(&members, id)].incarnation = incarnation;
        voter = voter || (flags & RAFT_MEMBER_VOTER) != 0;
    }
    if (reader.failed || reader.left.len != 0 || !voter) {
        return -EBADMSG;
    }
    *ret_members = members;
    return 0;
}

/* Bugs planted on purpose, so that tests/sim/plants can show that the simulator finds each of them.
 * Without CORACLE_PLANTS the compiler removes every branch. */
#ifndef RAFT_PLANT_H
#define RAFT_PLANT_H

enum raft_plant {
    PLANT_NONE,
    PLANT_VOTE_NOT_DURABLE,    /* 1: a vote is answered before it is on disk. */
    PLANT_ACK_BEFORE_FLUSH,    /* 2: a follower acknowledges entries that are not flushed. */
    PLANT_COMMIT_OLD_TERM,     /* 3: entries of earlier terms are committed by counting. */
    PLANT_LEADER_COUNTS_EARLY, /* 4: the leader counts itself before its own flush. */
    PLANT_READ_CONTEXT_REUSED, /* 5: a heartbeat acknowledgement counts for later reads. */
    PLANT_TRUNCATE_COMMITTED,  /* 6: a follower truncates whenever a message overlaps. */
    PLANT_SKIP_CHECKS, /* 7: recovery trusts a record whose checksum and chain do not fit. */
    PLANT_DOUBLE_VOTE, /* 8: a second candidate of the same term gets a vote as well. */
    PLANT_READ_BEFORE_OWN_TERM, /* 9: reads are served before an entry of the term is committed. */
    PLANT_VOTE_STALE_LOG,       /* 10: a candidate with a shorter log gets the vote. */
    PLANT_IGNORE_FLUSH_ERROR,   /* 11: a failed flush counts as done. */
    PLANT_COMMIT_NOT_BOUNDED,   /* 12: a heartbeat's commit is taken beyond what was verified. */
    PLANT_NO_DIR_SYNC,          /* 13: a new segment's name is not flushed. */
    PLANT_CONFIG_NOT_ROLLED_BACK, /* 14: truncating a configuration leaves it in force. */
    PLANT_CHANGE_BEFORE_OWN_TERM, /* 15: members change before the term has committed anything. */
    PLANT_CHANGES_OVERLAP,        /* 16: a change begins while the one before is not committed. */
    PLANT_LEARNER_COUNTS,         /* 17: learners count in quorums. */
    PLANT_REMOVED_DISRUPTS, /* 18: no pre-vote, no stickiness: a removed member unseats leaders. */
    PLANT_JOINT_ONE_MAJORITY,   /* 19: a joint configuration needs only the incoming majority. */
    PLANT_LOST_DISK_COUNTS,     /* 20: a member that lost its disk goes on under its id. */
    PLANT_PROGRESS_NOT_MOVED,   /* 21: a change of members leaves the leader's table as it was. */
    PLANT_SNAPSHOT_OLD_MEMBERS, /* 22: compaction forgets the configurations it drops. */
    PLANT_NO_CHECK_QUORUM = 31, /* 31: a leader that hears from nobody goes on leading. */
    PLANT_READ_NO_ROUND = 32,   /* 32: reads do not wait for a round of heartbeats. */
    PLANT_OLD_SNAPSHOT = 33,    /* 33: a snapshot older than what is committed is installed. */
    PLANT_FORGET_DAMAGE = 40, /* 40: a member whose log is damaged votes and leads with the rest. */
    PLANT_FORGET_SEGMENTS = 41, /* 41: a log of which whole files are lost is taken as it is. */
    PLANT_ACK_OF_OLD_TERM = 42, /* 42: what the leader before was told counts for the next. */
    PLANT_APPLIED_EARLY = 43,   /* 43: an entry counts as applied before its last turn. */
    PLANT_COUNT
};

#ifndef PLANTED
#ifdef CORACLE_PLANTS
extern int coracle_plant; /* Set by a simulator's --plant. */
#define PLANTED coracle_plant
#else
#define PLANTED 0
#endif
#endif

#endif

"""Every bound in one place, with their relations asserted at import.

A bound is a promise about memory and time (invariant I8). Raise one here and the assertions say
what else must move. Units come last in a name.
"""

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# Wire: control plane.
FRAME_BYTES_MAX = 8 * MIB  # one length-prefixed message, after decompression too
OUTBOX_PUSHES_MAX, OUTBOX_ANSWERS_MAX = 64, 256  # messages waiting for one peer's stream
OUTBOX_BYTES_MAX = 64 * MIB  # of answers
PUSH_UPDATE_BYTES_MAX = 64 * KIB  # larger updates are left to anti-entropy
HELLO_TIMEOUT_S = 10.0
HELLO_PAUSE_S = 1.0  # between two words about how this node is
REQUEST_TIMEOUT_S = 30.0
HEARTBEAT_INTERVAL_S = 5.0
HEARTBEAT_TIMEOUT_S = 5.0
HANDSHAKES_PENDING_PER_IP_MAX = 8
HANDSHAKE_TIMEOUT_S = 5.0
DIAL_TIMEOUT_S = 8.0
DIAL_STAGGER_S = 0.1
CONNECT_AGAIN_S = 2.0  # before a connection that does not come about is begun once more
RECONNECT_MIN_S, RECONNECT_MAX_S = 0.5, 60.0
RECONNECT_SHARE = 0.1  # of the time that a peer has been away, before it is dialled again
RECONNECT_NEAR_MAX_S, RECONNECT_NEAR_S = 2.0, 600.0  # on this network, so long after it was lost
NETWORKS_SETTLE_S = 0.2  # after the kernel told that the network changed, for the rest of it
BETTER_FIRST_S, BETTER_MIN_S, BETTER_MAX_S = 2.0, 15.0, 600.0  # before a better way is tried
DIAL_HEAD_START_S = 1.5  # of dialling, before a relay is asked or a hole is punched
RELAY_PAIRS_MAX, RELAY_PAIRS_PER_PEER_MAX = 64, 8  # that go through this node; of each end
RELAY_TICKET_S = 15.0  # for both ends to come
RELAY_IDLE_S = 60.0  # a pair without a byte this long is cut
RELAY_BUFFER_BYTES = 256 * KIB  # of a pair, each way
RELAY_TOLD_S = 1.0  # between two words of what went through
RELAY_INVITED_MAX = 8  # at one time, of invitations that this node follows
PUNCH_S, PUNCH_RETRY_S = 5.0, 0.1  # for two to meet through their NATs; between attempts
RELAY_HOSTS_MAX = 4  # of a relay, that are tried
PORTMAP_LEASE_S, PORTMAP_RENEW_S = 3_600.0, 1_200.0  # of a port that a router opened
ROUTER_ANSWER_BYTES_MAX = 64 * KIB
PORTMAP_RETRY_S = 900.0  # between attempts where none does
PORTMAP_WAIT_S, PORTMAP_STOP_S = 20.0, 2.0  # for a router; the same when the node stops
SYNC_INTERVAL_S = 30.0
SYNC_AFTER_DROP_S = 0.5
SYNC_WINDOW = 12  # documents asked for at one time
ADDRESSES_PER_PEER_MAX, ADDRESS_CHARS_MAX = 16, 512
PUSHES_TAKE_S = 0.025  # the same for pushes alone, which bring little: an edit waits behind them
PUSHES_REST_FACTOR = 3.0  # times what they took, where more of them wait
SYNC_TAKE_S = 0.1  # that what one peer sent has the catalog's thread, before others have a turn
REFUSED_BORNE_MAX = 8  # updates of one peer that the door refused, before it is shunned
REFUSED_FORGIVEN_S = 30.0  # after which one of them is forgotten
SHUNNED_MIN_S, SHUNNED_MAX_S = 60.0, 3_600.0  # doubled each time
SHUNNED_FORGIVEN_S = 6 * 3_600.0  # of good conduct, after which it begins with the least again
PEER_WORD_CHARS_MAX = 256  # of a name, a version, an address that a peer says
PEER_ADDRESSES_SAID_MAX, PEER_CAPABILITIES_MAX = 64, 64
PEERS_MAX, PEERS_KNOWN_MAX = 64, 256  # connected; with an address
DISCOVERED_MAX = 256  # nodes on this network whose announcement is remembered
DISCOVERY_REFRESH_S = 15.0  # between looks whether our own addresses changed
DISCOVERY_RETRY_S_MAX = 600.0  # between attempts where multicast does not work
CONNECTIONS_PER_PEER_MAX = 4  # both sides may dial at once, over several addresses
CONNECTIONS_MAX = 256
HANDSHAKES_PENDING_MAX = 128  # all of them, whatever their IP
ACCEPTED_AT_ONCE_MAX = 32
REFUSED_PER_S_MAX = 1_000  # connections that found no place: some 30 ms of work
NEGOTIATION_BYTES_MAX = 1 * KIB  # one message of the protocol negotiation
WRITE_TIMEOUT_S = 10.0  # for at most 64 KiB to be taken by a connection's socket
STREAM_STALL_S = 60.0  # for the peer's reader to take anything at all from a stream
STREAM_LINGER_S = 10.0  # for the peer to end its side after our handler has returned
STREAM_WINDOW_BYTES = 4 * MIB  # unread bytes of one stream that a reader lets the peer send
STREAMS_PER_CONNECTION_MAX = 256  # opened by the peer and not ended
STREAMS_PER_GUEST_MAX, STREAMS_OF_GUEST_MAX = 4, 16  # at one time; in all, then it is cut
CONNECTION_UNREAD_BYTES_MAX = 128 * MIB
GUEST_UNREAD_BYTES_MAX = 1 * MIB
MUXER_REPLIES_MAX = 1_024  # frames that wait to answer a peer's control frames
HEARTBEATS_MISSED_MAX = 4  # unanswered pings of a peer that still sends something

# Enrolment.
INVITATION_TTL_S = 24 * 3600
INVITATIONS_OPEN_MAX = 16
ENROL_ATTEMPTS_PER_MINUTE = 10
ENROL_TIMEOUT_S = 15.0
JOIN_ATTEMPTS, JOIN_PAUSE_S = 3, 1.0  # of a joiner whose conversation broke; between two
GUEST_FRAME_BYTES_MAX = 4 * KIB  # the one request that a stranger may send
GUESTS_MAX = 8  # strangers connected at one time while an invitation is open
GUEST_AGE_S_MAX = 2 * ENROL_TIMEOUT_S  # then a stranger is cut

# Catalog.
SHARDS = 256
CHANGE_BYTES_MAX = 64 * KIB
CHANGE_PARENTS_MAX = 256
KIND_CHARS_MAX, KEY_BYTES_MAX = 32, 128  # of a subject
FIELDS_PER_CHANGE_MAX = 256
VALUE_DEPTH_MAX, CHANGE_DEPTH_MAX = 16, 32  # lists and maps in one another
TEXT_CHARS_MAX = 16_384
SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 17, 8, 1  # a guess of a passphrase: 128 MiB, 0.3 s
SCRYPT_N_MAX = 1 << 20
PASSPHRASE_BYTES_MAX = 4 * KIB
PASSPHRASE_COMMAND_S = 60.0  # a keyring may ask somebody first
KEYRING_S = 60.0  # one answer of it: it may ask somebody to unlock it
KEYRING_SECRET_BYTES = 32
LIBRARY_KEYS_MAX = 512  # keys of a library that are read; each revocation makes one
LIBRARY_KEYS_PER_CHANGE = 64
SUBJECT_CHANGES_PER_AUTHOR_MAX = 4_096  # about one subject that count; see crdt/quota.py
SUBJECT_BYTES_PER_AUTHOR_MAX = 4 * MIB
SUBJECT_CHANGES_FREE = 64  # that are not even counted
UPDATE_BYTES_MAX = 6 * MIB
FOUNDING_BYTES_MAX = 2 * MIB  # of the root document, that a joiner gets whole
AUTHORS_MAX = 10_000  # nodes that are heard of, members or not
DOCUMENT_BYTES_LOADED_MAX = 24 * MIB  # in memory, about; the rest live in the journal
UPDATE_PART_BYTES_MAX = 256 * KIB  # of one document, sent in one message; then it goes on
DOCUMENT_KEY_BYTES_MAX, DOCUMENT_CLOCK_MAX = 128, 1 << 31  # of an entry; of one client
SIGNATURE_THREADS_MAX, SIGNATURES_PER_THREAD_MIN = 4, 8  # fewer are not worth a thread
TWINS_PER_UPDATE_MAX = 256  # blocks under one key; a document's time goes with their square
ENTRIES_PER_MESSAGE_MAX = 256  # changes that are sent plainly, where documents cannot agree
CHANGES_PER_SHARD_MAX = 1_000_000
UPDATES_REMEMBERED_MAX = 4_096  # by hash: what comes twice is not judged twice
CLIENTS_PER_UPDATE_MAX = 24_576  # more than fit into a part; each costs whoever takes it in
VECTOR_BYTES_MAX = 1 * MIB  # a longer state vector is not sent; changes are compared by id then
DAMAGES_SHOWN_MAX = 100  # that were made good, kept to be told
SEGMENT_BYTES_MAX = 512 * KIB  # of one merged entry of the journal; half of it is full
JOURNAL_UPDATES_PER_SEGMENT = 64  # entries behind a document's newest full one; then a merge
JOURNAL_MERGED_MAX = 256  # entries in one merge, so that its pause is bounded
JOURNAL_WAL_PAGES = 1_000  # of 4 KiB in the log; then they go to their places in the file
JOURNAL_WAL_BYTES_KEPT = 16 * MIB  # of the log's file after a long commit
JOURNAL_DAMAGED_KEPT, JOURNAL_SET_ASIDE_MAX = 64, 3  # unsound entries; whole damaged files
JOURNAL_BATCH_MAX = 2_000
KEEPER_JOBS_MAX = 4_096  # jobs waiting for the catalog's thread
IDLE_S = 0.2  # without a job, before the catalog's thread does what nobody waits for
UPKEEP_INTERVAL_S, SCRUB_INTERVAL_S = 60.0, 6 * 3600.0  # between looks; between whole passes
SCRUB_FIRST_S = 300.0  # after the start
BATCHES_PER_MERGE = 16
INDEX_REBUILD_CHANGES_MIN = 20_000  # that an index lacks, before it is made anew as a whole
FLOOD_SUBJECTS_MIN, FLOOD_SUBJECTS_MAX = 150, 1_000  # in one commit; in a row, before ...
HEAVY_SUBJECT_BYTES = 16 * KIB  # of changes of one subject: the index may follow it later
LAGGARDS_MAX = 4_096  # subjects that it follows later, at one time
FLOOD_CALM_S = 2.0  # ... they are indexed only when no such commit came for so long
INDEX_BUILDING_LOOK_S = 0.5
STALE_PIECE = 200  # subjects projected again between two other jobs
STALE_SHARDS_AT_ONCE, STALE_CHANGES_AT_ONCE = 256, 20_000  # less than these at the start itself
BRAKE_PHOTOS_MIN, BRAKE_PHOTOS_MAX, BRAKE_PERCENT = 20, 200, 5  # removed by one node within ...
BRAKE_WINDOW_MS = 3_600_000
QUERY_TERMS_MAX, QUERY_DEPTH_MAX = 128, 16  # conditions; parentheses in one another
QUERY_TERMS_EXPANDED_MAX = 512  # with the queries of the albums that it names ...
QUERY_DEPTH_EXPANDED_MAX = 64  # ... in the place of their names
NODE_ID_CHARS_MAX = 128
TRASH_DAYS_MAX = 36_500
TRASH_DAYS_DEFAULT = 30  # a photo in the trash can be taken back this long, at least
GRACE_SPANS_MAX = 1_000  # leaps of the clock that are remembered; it only waits longer
EDIT_WINDOW_PHOTOS = 50_000  # of one act, chosen at a time and ordered by shard
EDIT_PHOTOS_AT_ONCE = 100  # of one act, written in one go
EDIT_IDS_MAX = 10_000  # photos that one request names
ACTS_READ_AT_ONCE = 20  # from the catalog, in one go
FACET_VALUES_MAX = 1_000  # of one kind, that are listed
UNDO_KEPT_SHOWN_MAX = 100  # photos that an answer names, of which nothing could be undone
QUERY_COUNT_MAX = 100_000  # photos that are counted; above, only if the index knows the number
INDEX_RUN_BYTES, INDEX_LOAD_PHOTOS = 8 * MIB, 2_000  # sorted in memory; put down at once
FACETS_MAX = 1_000  # values of one facet that are listed
ACT_COUNT_MAX = 100_000  # changes of one act that are counted for a list of acts
ALBUMS_MAX, ALBUM_NAME_CHARS_MAX = 10_000, 256  # that are listed

# Blobs.
CHUNK_BYTES_MIN, CHUNK_BYTES_AVG, CHUNK_BYTES_MAX = 64 * KIB, 256 * KIB, 1 * MIB
BIG_BLOB_BYTES = 16 * MIB  # blobs above this are cut into bigger chunks
BIG_CHUNK_BYTES_MIN, BIG_CHUNK_BYTES_AVG, BIG_CHUNK_BYTES_MAX = 256 * KIB, 1 * MIB, 2 * MIB
CHUNK_LIST_ENTRY_BYTES = 36  # hash and size
CHUNKS_PER_BLOB_MAX = 100_000  # some 120 GB of average content
CHUNK_LIST_BYTES_MAX = 4 * MIB
CHUNK_LISTS_CACHED_MAX = 32
JPEG_SEGMENTS_MAX = 4_096  # looked through for the start of scan
PIXELS_CHARS, PIXELS_BYTES_MAX = 32, 1_024 * MIB  # of an identity; a larger file has none
SAME_PIXELS_SHOWN_MAX = 20
SMALL_BLOB_BYTES = 1 * MIB  # travels whole, in one frame
LANDING_GATHER_S = 0.02  # complete blobs wait this long for company
BLOBS_PER_COMMIT_MAX = 256  # made durable together
PARTIAL_NOTE_BYTES = 128 * MIB  # of a partial that are stored between two notes of what it has
PACKED_BLOB_BYTES_MAX = 64 * KIB  # kept with others in one file: sidecars and small previews
PACK_BYTES_MAX = 64 * MIB  # of such a file
PACK_DROPPED_SHARE = 0.5  # of a pack; from here on what is left is written anew elsewhere
ANCHORS_MIN, CHUNKS_PER_ANCHOR = 3, 64  # chunks by which a blob is found that shares some
ANCHOR_HITS_MAX, REUSE_SOURCES_MAX = 1_000, 16  # looked at to find chunks that are here already
LEDGER_UPGRADE_BYTES = 128 * MIB  # of memory, once
LEDGER_WAIT_S = 30.0  # for another process's commit
STORE_SETTLE_WAIT_S = 5.0  # for the processes of an earlier run to end
CHUNKS_PER_REQUEST_MAX = 64
STREAMS_PER_PEER_MAX = 4
SERVED_STREAMS_PER_PEER_MAX = 16
FETCH_RETRY_MIN_S, FETCH_RETRY_MAX_S = 0.5, 60.0
READ_BYTES = 1 * MIB
REQUESTS_PIPELINED_MAX = 128  # asked on one stream and not yet answered
REQUEST_BYTES_MAX = 2 * MIB  # of chunks in one request, or one chunk
FETCH_WINDOW_BYTES = 4 * MIB  # asked on one stream and not yet on disk
FETCH_BYTES_IN_FLIGHT_MAX = 128 * MIB  # over all peers
FETCH_STALL_S = 5.0  # a stream that owes bytes and brings none this long is given up
FETCH_SLOW_S, FETCH_SLOW_FACTOR = 20.0, 8.0  # a slower peer is left for one this much faster
LANES_MAX, LANES_SERVED_PER_PEER_MAX = 128, 8  # that come in, with blob streams over libp2p
LANES_PER_PEER_MAX = 2  # that are fetched over; more only share what is there
# But what is on its way over one is bounded by the giver's kernel: by default, Linux keeps 4 MiB
# for a socket, some 2.9 MB of which are bytes of ours, each round trip.
LANES_FAR_MAX, LANE_FAR_S = 6, 0.02
LANE_BUFFER_BYTES = 512 * KIB  # grows to the longest frame
LANE_CAME_S, LANE_GAVE_S = 0.005, 0.1  # how often a node hears what its carrier took and gave
COPIED_BYTES_MAX = 64 * KIB  # into a frame; more is sent beside its head
LANE_UNSENT_BYTES = 256 * KIB  # waiting in the giver's socket for the wire
LANE_NEAR_S, LANE_NEAR_WINDOW_BYTES = 0.001, 4 * MIB  # asked of a peer nearby, not answered
LANE_STARVED_BYTES = 4 * MIB  # a lane with less to bring takes parts of a blob that another brings
QUESTION_BYTES_MAX = 4 * KIB  # a list of indices is the longest
QUESTIONS_BUFFER_BYTES = 16 * KIB  # of a lane on the giving side
LANE_WINDOW_BYTES = 16 * MIB  # asked over one lane and not yet on disk
LANE_IDLE_S = 15.0  # a lane without questions is closed
LANE_ACCEPT_PAUSE_S = 1.0  # after a lane could not come in for want of descriptors or memory
LANE_TICKET_S, LANE_TICKETS_MAX = 30.0, 256
LANE_RETRY_S = 60.0  # before a lane is tried again where there was none
LANE_COME_S, LANE_COME_RETRY_S = 15.0, 600.0  # for a peer to come; before it is asked again
LANE_FRAME_BYTES_MAX, CERTIFICATE_CHARS_MAX = 8 * KIB, 4_096  # when two agree on a lane
CARRIER_START_S = 5.0  # that a peer waits for one that is being started
CARRIER_STOP_S = 1.0
STREAM_IDLE_S = 15.0  # a blob stream without questions is closed
CHUNKS_PLANNED_AHEAD_MAX = 256  # of one blob, looked at in one plan
WINDOW_BYTES_MIN = 2 * MIB  # asked over one stream, however slow it is
WINDOW_SLACK_S, BATCH_S = 0.5, 0.5  # of a rate: in flight beside the round trips; in a question
ENDGAME_BYTES_MAX = 8 * MIB  # asked of a second peer when nothing else is left to ask
ENDGAME_FACTOR, ENDGAME_S = 2.0, 1.0  # a second peer is asked if it is this much sooner
RATE_SPAN_S = 5.0  # over which a rate is told
LINK_SLOW_BYTES_S, LINK_FAST_BYTES_S = 2_000_000, 4_000_000  # slow below; fast again above
LINK_JUDGED_S = 10.0  # of being busy, before a link is judged, and again
ETA_S_MAX = 10 * 365 * 86_400.0
OUTLOOK_SURE_S, OUTLOOK_PATIENCE_S = 3.0, 20.0  # of moving, before it is told; of standing still
OUTLOOK_CHANGE = 0.25  # a told moment stays as long as it is not more wrong than this
SERVE_READ_BYTES = 1 * MIB  # of chunks, read from disk in one go
SERVE_AHEAD_CHUNKS_MAX = 3  # read from disk before the wire took them
DAMAGES_WAITING_MAX = 64  # blobs that showed damage while they were served, to be looked at
WANTS_MAX = 2_048  # wanted blobs in view at one time
PAUSES_MAX = 1_000  # peers, albums or shoots that are left alone
SAFETY_LOOK_S, SAFETY_PAUSE_FACTOR = 2.0, 20  # between two counts; times what one took
SAFETY_IDLE_S = 10.0  # between two counts, where all is safe and nothing was heard
MIN_COPIES_DEFAULT, MIN_COPIES_MAX = 2, 16  # nodes that a safe photo is on
WANTS_AT_ONCE = 1_024  # asked of the catalog in one go
REFUSALS_MAX = 32_768  # blobs of which it is remembered who does not have them
REFUSAL_S_MAX = 512.0  # before somebody is asked again for what it does not have
WANTS_ROUND_MIN_S, WANTS_ROUND_MAX_S = 1.0, 300.0  # between two looks through all that is wanted
TRANSFERS_IN_STATUS_MAX = 20  # the most urgent ones; more are asked for by themselves
TRANSFER_TICK_S = 0.5  # how often retries and slow peers are looked at
TRANSFER_IDLE_TICK_S = 5.0  # while nothing is fetched
TELL_PAUSE_FACTOR, TELL_PAUSE_MAX_S = 10, 2.0  # times what it took to say what is stored now
TELL_WAITING_MAX = 8_192  # blobs that are stored and not told yet
WANTS_REFRESH_MIN_S, WANTS_REFRESH_S = 0.1, 30.0
WANTS_PAUSE_FACTOR = 10  # times what asking took, before asking again
PLAN_ROOM_SHARE = 8  # a peer has room for this part of its window, or it is not worth planning
PLAN_PAUSE_FACTOR = 3  # times what planning took, before planning again
TRANSFER_THREADS_MAX = 4  # more only fight for the interpreter
TRANSFER_PROGRESS_INTERVAL_S = 0.5
PEER_FAILURES_EXPONENT_MAX = 10
CORRUPT_PEER_PENALTY_S = 60.0  # a peer that sent wrong bytes is not asked again this long
RATE_BYTES_S_MIN, RATE_BYTES_S_MAX = 10_000, 1_000_000_000_000  # that a person may set
RATE_CHARS_MAX, SCHEDULE_CHARS_MAX, SCHEDULE_SPANS_MAX = 32, 512, 24
PARALLEL_MAX = 1_000  # files that are fetched at one time, where somebody limits them
THROTTLE_BURST_S = 0.2  # of a rate, that may pass at once after a pause ...
THROTTLE_BURST_BYTES_MIN = 16 * KIB  # ... and never less than this
THROTTLE_SLICE_S = 0.05  # of a rate, between two waits: whoever waits sees bytes move
THROTTLE_SLICE_BYTES_MIN, THROTTLE_SLICE_BYTES_MAX = 4 * KIB, 1 * MIB
THROTTLE_LOOK_S = 5.0  # between looks at the time of day
LZ4_GAIN_MIN = 0.1  # of a chunk; less is not worth compressing it
LZ4_PAYS_FACTOR = 1.5  # times what it takes is saved on the wire: the other end has work, too
LZ4_SAMPLE_BYTES = 16 * KIB  # of a chunk, that are compressed to see what is gained
LZ4_BYTES_S = 400_000_000  # what LZ4 takes, until it is known of this machine
LZ4_JUDGED_BYTES = 8 * MIB  # sent, or compressed: what both take is known by the last of them
METERED_BLOB_BYTES_MAX = 2 * MIB  # what moves on a metered link: previews and sidecars
DISK_RECHECK_S = 3.0
SCRUB_DAYS_DEFAULT, SCRUB_DAYS_MAX = 30, 3_650  # until a stored blob is verified again
SCRUB_MB_S_DEFAULT, SCRUB_MB_S_MAX = 40, 10_000
SCRUB_BUSY_FACTOR = 0.125  # of the rate, while somebody transfers or edits
SCRUB_QUIET_S = 10.0  # after the last transfer or edit
SCRUB_BATCH_BLOBS, SCRUB_BATCH_BYTES = 256, 64 * MIB  # verified between two looks at the rest
SCRUB_STEP_BYTES = 1 * MIB  # read between two waits
SCRUB_IDLE_S, SCRUB_REPAIR_S = 15.0, 2.0  # between looks, when nothing is due; until a repair
SCRUB_RETRY_MIN_S, SCRUB_RETRY_MAX_S = 60.0, 3_600.0  # after the disk gave an error
SCRUB_TRIES_MAX = 4  # at a blob that the disk does not give; then it counts as damaged
SCRUB_UNREADABLE_MAX = 8  # at one time: the disk fails as a whole, and is left alone
VERIFICATIONS_WAITING_MAX, VERIFICATIONS_SHOWN_MAX = 16, 16  # that somebody asked for
VERIFICATION_FINDINGS_MAX = 100  # of one, that are shown
QUOTA_BYTES_MIN = 32 * MIB
QUOTA_COUNT_SHARE = 0.05  # of a processor, at most, that goes into counting what is stored
DISK_RESERVE_BYTES = 16 * MIB  # never fill the last of a disk: the catalog must still be written
PROMISE_BLOBS_MAX, PROMISE_FRAME_BYTES_MAX = 64, 32 * KIB  # that one question is about
PROMISE_BYTES_MAX = 1 * GIB  # read for one question; of the rest it says: not now
PROMISE_KEEP_S, PROMISE_KEEP_S_MAX = 2 * 3600, 24 * 3600  # from the question on
PROMISE_MARGIN_S = 600.0  # kept longer by who promised, counted on shorter by who was promised
PROMISE_FRESH_S = 3600.0  # a verification of the disk counts for another question, too
PROMISE_CLOCKS_S = 60.0  # that wall and monotonic clock may differ between question and eviction
PROMISE_ANSWER_S = 300.0  # for all of a question: the disk is read
PROMISES_MAX, PROMISES_WAITING_MAX = 1_000_000, 8  # kept; questions that wait at one time
PROMISE_REASON_CHARS_MAX = 200
EVICTION_CANDIDATES_MAX = 4_096  # photos that are looked at together, the oldest first
EVICTION_VAIN_S = 300.0  # until somebody is asked anew for what was refused
EVICTION_LOOK_S, EVICTION_PAUSE_S = 60.0, 60.0  # without news; after a run that freed too little
BUFFER_HIGH_PERCENT, BUFFER_LOW_PERCENT = 85, 70  # of the buffer: begin to evict; enough
# What went and others do not keep as they should: looked for; those who are to fetch it are late.
RECALL_LOOK_S, RECALL_OVERDUE_S = 60.0, 3600.0
RECALL_PHOTOS_MAX, RECALL_PAGES_MAX = 500, 40  # wanted again at one time; pages, a look
BUFFER_RATE_SPAN_S, BUFFER_WARN_S = 1800.0, 24 * 3600.0  # of taking in; full sooner is a problem
IMPORT_PREVIEWS_BYTES = 512 * KIB  # kept free for the previews of a file that is taken in
INGEST_PAUSE_S_MAX = 10.0  # before a file is taken in, the fuller the longer
OPENED_WAIT_S, OPENED_KEPT_S, OPENED_MAX = 60.0, 3600.0, 256  # originals that people open

# Ingest.
SETTLE_S = 1.0  # a file whose size and time stood still this long is complete
METADATA_TIMEOUT_S = 20.0
RENDITION_TIMEOUT_S = 60.0
IMAGE_PIXELS_MAX = 400_000_000  # 4 bytes of memory each
# Measured (address space): photos of phones and cameras 0.3 to 0.6 GiB, a TIFF of 100 megapixels
# 0.7, a raw file of as many 0.8, a TIFF of the most pixels that are decoded at all 1.8.
WORKER_MEMORY_BYTES_MAX = 2 * GIB + 256 * MIB
WORKER_CPU_S = 60  # for one file; measured: 0.4 s the slowest of a camera, 6 s the largest TIFF
WORKER_OPEN_FILES_MAX = 64  # measured: 6
WORKER_NICE = 5
SUSPECTS_MAX, SUSPECTS_SHOWN_MAX = (
    10_000,
    100,
)  # files that ended their readers; of them as problems
SIDECAR_BYTES_MAX = 8 * MIB
PREVIEW_EDGES_PX = (256, 1600)
PROBLEMS_MAX = 1_000
WORKER_FILES_MAX = 2_000  # then a fresh process takes over, so that a slow leak stays small
WORKER_START_TIMEOUT_S = 60.0
WORKER_RESTART_MIN_S, WORKER_RESTART_MAX_S = 0.1, 10.0
PREVIEW_BYTES_MAX = 2 * MIB
RAW_SCAN_BYTES_MAX = 256 * MIB  # how far a RAW is searched for an embedded picture
NAME_CHARS_MAX = 256  # camera, lens, serial number, title, label
CAPTION_CHARS_MAX = 4_096
KEYWORDS_PER_PHOTO_MAX, KEYWORD_CHARS_MAX, KEYWORDS_CHARS_MAX = 200, 256, 4_096
SIDECAR_DEPTH_MAX, SIDECAR_ELEMENTS_MAX = 64, 100_000  # with their attributes
SIDECAR_ATTRIBUTES_MAX = 100_000  # signs that there may be one
SIDECARS_PER_PHOTO_MAX = 16
SIDECAR_NAME_BYTES_MAX, PLACE_BYTES_MAX = 255, 4 * KIB  # of a photo's change; longer is cut
TREE_PATHS_PER_PHOTO_MAX = 16  # that nodes published apart
TREE_BATCH_MAX = 2_000  # photos that are decided and linked in one go
TREE_SETTLE_S = 0.4  # a sidecar in the tree that stood still this long is complete
TREE_LOOK_S = 0.15  # for more of what changed, before it is looked at
TREE_SCAN_S = 600.0  # between looks through the whole tree for what no event told of
EXPORT_RULES_MAX = 64
EXPORT_PROBE_S, EXPORT_READY_S = 3.0, 8.0  # for one listing; until the first one after a start
EXPORT_PROBE_EVERY_S = 15.0  # between listings that show that the server is alive
EXPORT_RESTART_S = 0.5  # before a server that ended is started again
EXPORT_RESTART_MAX_S = 60.0
EXPORT_STOP_S = 5.0  # for a server to end by itself
TREE_NOTED_MAX = 100_000  # sidecars that were written and wait to be looked at
TREE_INVALID_TOLD_S = 5.0  # before it is told that a sidecar is none, for it may be half written
TREE_RETRY_MIN_S, TREE_RETRY_MAX_S = 0.3, 60.0  # between looks at what could not be taken in
TREE_DISPLACED_S = 30.0  # that a file which was replaced is kept, for who has it open still
IMPORT_FILES_AT_ONCE = 8  # copied, examined or waiting for the catalog
IMPORTS_WAITING_MAX, IMPORTS_SHOWN_MAX = 64, 64
IMPORTS_POSTPONED_MAX = 100_000  # files that wait for room on the disk
IMPORT_BATCH_MAX = 64  # photos that are made durable together
WATCH_PENDING_MAX = 10_000  # files that wait for standing still; the scan finds the others again
WATCH_BATCH_MAX, WATCH_LISTED_MAX = 256, 1_000  # handed on, listed in one go
WATCH_SEEN_MAX = 200_000  # files known not to have changed; beyond it some are read twice
WATCH_CHECK_S = 2.0  # how often a folder that is gone is looked for
WATCH_RESCAN_S = 300.0  # events are a hint, the scan is the truth
SEEN_FILES_MAX = 1_000_000  # files known not to have changed, over restarts
SHOOT_GAP_S = 4 * 3600

# Exports of the catalog.
EXPORT_FILE_BYTES_MAX = 64 * MIB  # of lines; then the next file begins
EXPORT_LINE_BYTES_MAX = 8 * MIB
EXPORT_SUBJECTS_AT_ONCE = 200  # read from the catalog in one go
SCRUB_CALENDAR_PARTS = 10  # of the period in which all is verified once
RESTORE_LACKS_TOLD_MAX = 1_000  # files that an archive could not give; all are in a file
EXPORT_NAME_BYTES_MAX = 200  # of a sidecar's file name without its suffix, and of a folder's
PATH_PARTS_MAX, PATH_BYTES_MAX = 32, 1_500  # of a folder that somebody else named
CATALOG_IMPORT_CHANGES_AT_ONCE = 1_000  # made durable together
CATALOG_IMPORT_BYTES_AT_ONCE = 4 * MIB
CATALOG_TASKS_WAITING_MAX, CATALOG_TASKS_SHOWN_MAX = 16, 32

# Tokens, sessions of the page, and who asks over TLS.
TOKEN_BYTES, TOKENS_MAX, TOKEN_NAME_CHARS_MAX = 32, 64, 64
TOKEN_TTL_S, TOKEN_TTL_S_MAX = 90 * 86_400, 2 * 366 * 86_400
TOKEN_CHARS_MAX = 256  # of what somebody shows as one
TOKEN_USE_KEPT_S = 300  # how exactly the last use is on the disk
WEB_SESSIONS_MAX, WEB_SESSION_S = 64, 30 * 86_400
SCOPE_RETRY_S = 5.0  # how soon a member is told what it was not to hear before
WRONG_TOKENS_MAX, WRONG_TOKENS_WINDOW_S, WRONG_TOKENS_ADDRESSES_MAX = 10, 60.0, 1_024
HTTPS_CONNECTIONS_PER_ADDRESS_MAX = 48  # a browser has six for each page that is open
TLS_HANDSHAKE_TIMEOUT_S, TLS_CLOSE_S = 10.0, 1.0
HTTPS_CERTIFICATE_DAYS, HTTPS_CERTIFICATE_RENEW_DAYS = 820, 30  # Apple takes no more than 825
HTTPS_NAMES_MAX = 16

# The audit log.
AUDIT_PENDING_MAX = 4_096  # acts that wait for the disk
AUDIT_DELAY_S = 0.1  # what comes together is written together; after it an act is durable
AUDIT_SIGN_EVERY, AUDIT_SIGN_S = 32, 60.0  # entries, and time, that no signature covers, about
AUDIT_FILE_BYTES_MAX, AUDIT_FILES_MAX = 1 * MIB, 256  # then the oldest goes, and the log says so
AUDIT_FACTS_MAX, AUDIT_FACT_CHARS_MAX = 16, 512  # of one entry; longer is cut
AUDIT_LINE_BYTES_MAX = 128 * KIB
AUDIT_SCANNED_MAX = 50_000  # entries looked at for one page
AUDIT_REFUSALS_S, AUDIT_REFUSALS_MAX = 60.0, 30  # a refused peer is told once; so many peers
AUDIT_REFUSED_PEERS_MAX = 1_024  # that are remembered

# HTTP and events.
PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX = 100, 1_000
REQUEST_BODY_BYTES_MAX = 1 * MIB
EVENTS_KEPT = 1_024
EVENT_SUBSCRIBERS_MAX = 64
EVENT_QUEUE_MAX = 256
SHUTDOWN_GRACE_S = 2.0
HTTP_CONNECTIONS_MAX = 256
HTTP_BODY_TIMEOUT_S = 30.0  # for a whole request body
HTTP_STALL_S = 60.0  # a client that takes no byte for so long is cut off
HTTP_PIECE_BYTES = 256 * KIB  # of an original, read and sent at a time
EVENT_HEARTBEAT_S = 15.0
EVENT_RETRY_MS = 1_000  # what a browser waits before it listens again
EVENT_IDS_MAX = 500  # in one server-sent event; of more it says only that they are many
QUERY_CHARS_MAX = 1_024
RULES_MAX, RULE_CHARS_MAX = 64, 1_536  # of placement; a rule is a query and what it wants
CURSOR_CHARS_MAX = 1_024
TAG_CHARS_MAX = 256
PATH_CHARS_MAX = 4_096
CODE_CHARS_MAX = 4_096
INVITATION_TTL_S_MAX = 30 * 24 * 3600
INVITATION_TOLD_S = 600  # beyond its end, whoever has the code is told that it is over
MEMBER_LIFE_S_MIN, MEMBER_LIFE_S_MAX = 3_600, 10 * 366 * 24 * 3600  # of a certificate
RENEWALS_LOOK_S = 600.0  # how often certificates are looked at that may need another one
CLOCK_AWAY_TOLD_MS = 10 * 60 * 1000  # clocks that differ more are told of
CLOCK_TOLERANCE_MS = 24 * 3600 * 1000  # a certificate counts so much longer: clocks differ
VOUCHED_MAX = 2_000  # changes that one revocation vouches for
RECOVERY_LOOK_S = 3.0  # for members nearby, when a library is recovered

# Settings, logs and the command line.
NODE_NAME_CHARS_MAX = 64  # of a library, too
WATCHED_FOLDERS_MAX = 64
WORKERS_DEFAULT_MAX, WORKERS_MAX = 4, 64
LIBRARIES_MAX = 8  # of one daemon: each is a whole node, with a carrier of its own
LIBRARIES_LOOK_S = 1.0  # until a library that was added or taken out is noticed
LOG_BYTES_MAX = 8 * MIB  # one log file; older ones are numbered
LOG_FILES_KEPT = 3
STOP_S, STOP_HARD_S = 3.0, 4.0  # from the signal: tasks are cancelled, then the process ends
CLI_CONNECT_TIMEOUT_S, CLI_REQUEST_TIMEOUT_S = 3.0, 60.0
CLI_LONG_REQUEST_TIMEOUT_S = 3_600.0  # for an edit of very many photos
CLI_LIBRARY_WAIT_S, CLI_LIBRARY_LOOK_S = 60.0, 0.1  # until a daemon serves or leaves a library
CLI_EVENT_SILENCE_S = 5.0  # without an event this long, progress is asked for
LS_PHOTOS_DEFAULT = 50
SHORT_ID_DIGITS = 12  # of a photo, a change or an act, as the command line tells it

assert CHUNK_BYTES_MIN < CHUNK_BYTES_AVG < CHUNK_BYTES_MAX
assert CHUNK_BYTES_MAX + 64 * KIB <= FRAME_BYTES_MAX, "a chunk travels in one frame"
assert BIG_CHUNK_BYTES_MIN < BIG_CHUNK_BYTES_AVG < BIG_CHUNK_BYTES_MAX
assert CHUNK_BYTES_MAX <= BIG_CHUNK_BYTES_MAX <= REQUEST_BYTES_MAX <= FETCH_WINDOW_BYTES
assert BIG_CHUNK_BYTES_MAX + 64 * KIB <= FRAME_BYTES_MAX, "a big chunk travels in one frame"
assert CHUNKS_PER_BLOB_MAX * CHUNK_LIST_ENTRY_BYTES + 64 <= CHUNK_LIST_BYTES_MAX
assert SMALL_BLOB_BYTES + 64 * KIB <= FRAME_BYTES_MAX, "a small blob travels in one frame"
assert SMALL_BLOB_BYTES <= BIG_CHUNK_BYTES_MAX < BIG_BLOB_BYTES
assert PACKED_BLOB_BYTES_MAX <= SMALL_BLOB_BYTES, "what is packed comes whole, and is never resumed"
assert PACKED_BLOB_BYTES_MAX * BLOBS_PER_COMMIT_MAX < PACK_BYTES_MAX, "a batch fits into a pack"
assert FETCH_WINDOW_BYTES <= FETCH_BYTES_IN_FLIGHT_MAX
assert REQUEST_BYTES_MAX <= WINDOW_BYTES_MIN <= FETCH_WINDOW_BYTES
assert LINK_SLOW_BYTES_S < LINK_FAST_BYTES_S
assert 4 * WANTS_AT_ONCE >= WANTS_MAX >= WANTS_AT_ONCE
assert DIAL_TIMEOUT_S + HANDSHAKE_TIMEOUT_S < LANE_COME_S, "who comes has time for it"
assert LANES_PER_PEER_MAX <= LANES_FAR_MAX <= LANES_SERVED_PER_PEER_MAX
assert LANES_MAX >= PEERS_MAX * LANES_PER_PEER_MAX, "every peer gets the lanes that it may open"
assert LANES_MAX * BIG_CHUNK_BYTES_MAX <= 256 * MIB, "what all lanes hold that nobody takes"
assert SERVE_READ_BYTES <= BIG_CHUNK_BYTES_MAX, "a lane holds one chunk, or less than one"
assert LZ4_SAMPLE_BYTES <= CHUNK_BYTES_MIN
assert THROTTLE_SLICE_BYTES_MIN <= THROTTLE_BURST_BYTES_MIN
assert THROTTLE_SLICE_S < THROTTLE_BURST_S < FETCH_STALL_S, "a limit is no stall"
assert THROTTLE_SLICE_BYTES_MIN / RATE_BYTES_S_MIN < FETCH_STALL_S / 4, "nor is the least rate"
assert SCRUB_RETRY_MIN_S <= SCRUB_RETRY_MAX_S
assert PROMISE_ANSWER_S + 2 * PROMISE_MARGIN_S < PROMISE_KEEP_S <= PROMISE_KEEP_S_MAX
assert PROMISE_BLOBS_MAX * 400 < PROMISE_FRAME_BYTES_MAX
assert SCRUB_UNREADABLE_MAX < SCRUB_BATCH_BLOBS, "behind what rests, there is something to read"
assert CHUNK_LIST_BYTES_MAX + 64 * KIB <= FRAME_BYTES_MAX, "a chunk list travels in one frame"
assert FOUNDING_BYTES_MAX < UPDATE_BYTES_MAX < FRAME_BYTES_MAX
assert SUBJECT_CHANGES_FREE * CHANGE_BYTES_MAX <= SUBJECT_BYTES_PER_AUTHOR_MAX, "none is over it"
assert SUBJECT_CHANGES_FREE < SUBJECT_CHANGES_PER_AUTHOR_MAX
assert LIBRARY_KEYS_PER_CHANGE <= FIELDS_PER_CHANGE_MAX
assert 512 * LIBRARY_KEYS_PER_CHANGE + 34 * CHANGE_PARENTS_MAX < CHANGE_BYTES_MAX
assert CHANGE_BYTES_MAX + KIB <= UPDATE_PART_BYTES_MAX < UPDATE_BYTES_MAX
assert PUSH_UPDATE_BYTES_MAX < UPDATE_PART_BYTES_MAX, "what a round brings is not pushed on"
assert ENTRIES_PER_MESSAGE_MAX * CHANGE_BYTES_MAX > UPDATE_PART_BYTES_MAX
assert 4 * SYNC_WINDOW < OUTBOX_ANSWERS_MAX, "no honest round fills an outbox"
assert UPDATE_BYTES_MAX < OUTBOX_BYTES_MAX
assert RECONNECT_MIN_S < RECONNECT_MAX_S
assert SHUNNED_MIN_S < SHUNNED_MAX_S < SHUNNED_FORGIVEN_S
assert BETTER_MIN_S < BETTER_MAX_S
assert 2 * PORTMAP_RENEW_S < PORTMAP_LEASE_S, "one renewal may fail"
assert RELAY_PAIRS_PER_PEER_MAX <= RELAY_PAIRS_MAX
assert HEARTBEAT_INTERVAL_S + HEARTBEAT_TIMEOUT_S < RELAY_IDLE_S, "a connection is never idle"
assert LANE_IDLE_S < RELAY_IDLE_S, "a lane ends by itself, and is not cut"
assert PEERS_MAX * CONNECTIONS_PER_PEER_MAX <= CONNECTIONS_MAX
assert STREAM_WINDOW_BYTES * SERVED_STREAMS_PER_PEER_MAX < CONNECTION_UNREAD_BYTES_MAX
assert STREAM_WINDOW_BYTES >= 256 * KIB, "the multiplexer's own first window"
assert STREAMS_PER_GUEST_MAX * 256 * KIB <= GUEST_UNREAD_BYTES_MAX
assert 3 * (QUERY_DEPTH_MAX + 2) <= QUERY_DEPTH_EXPANDED_MAX, "what is read can be expanded"
assert EDIT_PHOTOS_AT_ONCE < FLOOD_SUBJECTS_MIN, "what a person does is no flood"
assert SHARDS & (SHARDS - 1) == 0, "the shard is the first bits of a hash"
assert PAGE_ITEMS_DEFAULT <= PAGE_ITEMS_MAX
assert len(PREVIEW_EDGES_PX) * PREVIEW_BYTES_MAX + 1 * MIB <= FRAME_BYTES_MAX, "a worker's answer"
assert 4 * (KEYWORDS_CHARS_MAX + CAPTION_CHARS_MAX + 6 * NAME_CHARS_MAX) < CHANGE_BYTES_MAX
_WORDS_BYTES_MAX = 4 * (KEYWORDS_CHARS_MAX + CAPTION_CHARS_MAX // 4 + 12 * NAME_CHARS_MAX)
_SIDECARS_BYTES_MAX = SIDECARS_PER_PHOTO_MAX * (SIDECAR_NAME_BYTES_MAX + 96)
assert (
    _WORDS_BYTES_MAX + _SIDECARS_BYTES_MAX + 2 * PLACE_BYTES_MAX + 34 * CHANGE_PARENTS_MAX + 2 * KIB
    < CHANGE_BYTES_MAX
), "what a person and a machine say of one photo fits into one change"
assert WORKER_RESTART_MIN_S < WORKER_RESTART_MAX_S
assert 4 * IMAGE_PIXELS_MAX + 512 * MIB < WORKER_MEMORY_BYTES_MAX, "what is decoded has room"
assert WORKER_CPU_S < METADATA_TIMEOUT_S + RENDITION_TIMEOUT_S
assert SUSPECTS_SHOWN_MAX < PROBLEMS_MAX, "they do not crowd out the others"
assert WORKERS_DEFAULT_MAX <= WORKERS_MAX
assert SHUTDOWN_GRACE_S < STOP_S < STOP_HARD_S < 5.0, "SIGTERM ends a node within 5 s"
assert 6 * AUDIT_FACTS_MAX * (AUDIT_FACT_CHARS_MAX + 64) < AUDIT_LINE_BYTES_MAX
assert 2 * AUDIT_LINE_BYTES_MAX < AUDIT_FILE_BYTES_MAX
assert AUDIT_DELAY_S < SHUTDOWN_GRACE_S
assert INVITATION_TTL_S <= INVITATION_TTL_S_MAX
assert VOUCHED_MAX * 20 + 4 * KIB < CHANGE_BYTES_MAX, "a revocation is a change"
assert EVENT_QUEUE_MAX <= EVENTS_KEPT, "who was cut for being slow can still catch up"
assert PREVIEW_BYTES_MAX <= METERED_BLOB_BYTES_MAX, "previews go on where originals wait"
assert tuple(sorted(PREVIEW_EDGES_PX)) == PREVIEW_EDGES_PX

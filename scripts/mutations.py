"""What mutate.py breaks on purpose, and the test that is there to notice it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A line of the package that is broken, and the test that must fail then.

    `promise` is the number of a promise in docs/reliability.md, or the page with the promise; `old`
    occurs once in `file`.
    """

    promise: str
    what: str
    file: str
    old: str
    new: str
    test: str


_LOOP = "fewshot/training/loop.py"
_LIMITS = "fewshot/slices/limits.py"
_RECOVERY = "tests/training/test_recovery.py"
_BAD_NUMBERS = f"{_RECOVERY}::test_bad_numbers_stop_a_training_before_they_reach_a_weight"
_BOMBS = "tests/slices/test_bombs.py"
MUTATIONS = (
    Mutation(
        "1",
        "a resumed training forgets where its random numbers stood",
        "fewshot/training/state.py",
        'torch.set_rng_state(content["random_state"])',
        'assert content["random_state"] is not None',
        "tests/training/test_loop.py::test_an_interrupted_training_ends_as_an_uninterrupted_one[mask_rcnn]",
    ),
    Mutation(
        "1",
        "a checkpoint is written before the curves that it follows from",
        _LOOP,
        "curves.sync()",
        "pass",
        "tests/training/test_loop.py::test_a_kill_right_after_a_checkpoint_loses_no_line_of_the_curves",
    ),
    Mutation(
        "1",
        "a torn line of the curves is kept",
        "fewshot/files.py",
        "        except ValueError:\n            break",
        "        except ValueError:\n            continue",
        "tests/test_files.py::test_json_lines_end_where_a_writer_was_killed",
    ),
    Mutation(
        "2",
        "a file is not synced before it takes its name",
        "fewshot/files.py",
        "        sync(temporary)\n",
        "",
        "tests/test_disk.py::test_a_name_is_on_the_disk_before_the_next_thing_is_done",
    ),
    Mutation(
        "2",
        "what killed writers left stays",
        "fewshot/files.py",
        "    for path in remains:\n",
        "    for path in remains[:0]:\n",
        "tests/test_disk.py::test_what_killed_writers_left_is_removed_and_nothing_else",
    ),
    Mutation(
        "2",
        "checkpoints are read as code",
        "fewshot/training/checkpoints.py",
        "weights_only=True)",
        "weights_only=False)",
        "tests/test_safety.py::test_data_are_never_run",
    ),
    Mutation(
        "2",
        "packed checkpoints are unpacked",
        "fewshot/training/checkpoints.py",
        'raise ValueError("the archive is packed")',
        "return",
        "tests/training/test_schema.py::test_a_packed_checkpoint_is_refused",
    ),
    Mutation(
        "3",
        "a stage with a damaged output is skipped",
        "fewshot/run/stages.py",
        'record["outputs"].get(path.name) != self._digests.fresh(path)',
        'path.name not in record["outputs"]',
        "tests/run/test_stages.py::test_what_changed_is_told_and_done_again",
    ),
    Mutation(
        "3",
        "a stage whose input changed is skipped",
        "fewshot/run/stages.py",
        'record["inputs"].get(role) != self._digests.of(path)',
        'role not in record["inputs"]',
        "tests/run/test_stages.py::test_what_changed_is_told_and_done_again",
    ),
    Mutation(
        "3",
        "the pixels of the slices do not tell trainings apart",
        "fewshot/training/job.py",
        "[_digest_of(slices.path_of(record)) for record in slices.records],",
        "",
        "tests/training/test_loop.py::test_a_checkpoint_of_another_job_is_not_continued[semantic]",
    ),
    Mutation(
        "4",
        "a second process works in a locked folder",
        "fewshot/lock.py",
        "    except Timeout as error:\n",
        "    except Timeout as error:\n        return lock\n",
        "tests/test_lock.py::test_a_second_process_is_told_who_the_first_one_is",
    ),
    Mutation(
        "4",
        "a link in the place of a lock is followed",
        "fewshot/lock.py",
        "    _check(path)\n",
        "",
        "tests/test_lock.py::test_what_is_no_lock_is_neither_followed_nor_written",
    ),
    Mutation(
        "5",
        "a file is begun without the room it needs",
        "fewshot/files.py",
        "shutil.disk_usage(target.parent).free < needed",
        "shutil.disk_usage(target.parent).free < 0",
        "tests/test_disk.py::test_without_room_nothing_is_begun",
    ),
    Mutation(
        "6",
        "a loss that is NaN moves the weights",
        _LOOP,
        'if not abs(total) < float("inf"):',
        "if False:",
        f"{_BAD_NUMBERS}[False-a loss-semantic]",
    ),
    Mutation(
        "6",
        "a gradient that is NaN moves the weights",
        _LOOP,
        "if not scaler.is_enabled() and not bool(torch.isfinite(norm)):",
        "if False:",
        f"{_BAD_NUMBERS}[True-the gradient-semantic]",
    ),
    Mutation(
        "6",
        "weights that are NaN are saved",
        "fewshot/training/recovery.py",
        "if value.is_floating_point() and not bool(torch.isfinite(value).all()):",
        "if False:",
        f"{_RECOVERY}::test_weights_that_are_no_numbers_are_never_saved[semantic]",
    ),
    Mutation(
        "6",
        "a network that raises by itself ends the training",
        _LOOP,
        "except FloatingPointError as error:",
        "except ZeroDivisionError as error:",
        f"{_RECOVERY}::test_a_network_that_raises_by_itself_is_retried",
    ),
    Mutation(
        "6",
        "a retry goes on at the same learning rate",
        "fewshot/training/state.py",
        "group[rate] *= factor",
        "group[rate] *= 1",
        f"{_RECOVERY}::test_a_retry_goes_back_to_the_last_good_checkpoint_at_a_lower_rate[semantic]",
    ),
    Mutation(
        "6",
        "half a batch has half the gradient",
        _LOOP,
        "scale(total if share == 1 else total * share)",
        "scale(total)",
        f"{_RECOVERY}::test_parts_of_a_batch_have_its_gradient",
    ),
    Mutation(
        "6",
        "a checkpoint of the right job with damaged content is used",
        "fewshot/training/schema.py",
        '        return "holds NaN or infinity"\n',
        "        return None\n",
        "tests/training/test_schema.py::"
        "test_a_checkpoint_of_the_right_job_with_damaged_content_is_one_line",
    ),
    Mutation(
        "7",
        "worthless radiologists have no weight at all",
        "fewshot/radiologists/weights.py",
        "        values = np.ones_like(values)\n",
        "        pass\n",
        "tests/pipeline/test_empty.py::test_radiologists_that_are_equal_or_worthless",
    ),
    Mutation(
        "8",
        "work that does not look up is waited for",
        "fewshot/cli/interrupt.py",
        "    os._exit(128 + number[0])",
        "    return",
        "tests/cli/test_interrupt.py::test_work_that_does_not_listen_is_ended",
    ),
    Mutation(
        "8",
        "an interrupted run does not say how to go on",
        "fewshot/cli/interrupt.py",
        "if command in _RESUMABLE:",
        "if False:",
        "tests/cli/test_interrupt.py::test_how_to_go_on_is_told",
    ),
    Mutation(
        "9",
        "a COCO file of ours is read at once",
        "fewshot/masks/coco_stream.py",
        "    if not _is_ours(path):",
        "    if path.exists():",
        "tests/pipeline/test_soak.py::test_streamed_masks_are_those_that_are_read_at_once",
    ),
    Mutation(
        "10",
        "reading processes change the order of samples",
        "fewshot/training/batches.py",
        "sampler=range(start * batch_size, stop * batch_size)",
        "sampler=range(0, (stop - start) * batch_size)",
        "tests/training/test_batches.py::test_batches_are_those_of_their_iterations",
    ),
    Mutation(
        "threats",
        "a pickle of objects is taken for arrays",
        "fewshot/detector/zoo_pickle.py",
        'case "kind", (str(code), *_) if _NUMBER.fullmatch(code):',
        'case "kind", (str(code), *_):',
        "tests/detector/test_zoo_pickle.py::test_what_is_no_dictionary_of_arrays_is_refused",
    ),
    Mutation(
        "threats",
        "arrays of a pickle outgrow their file",
        "fewshot/detector/zoo_pickle.py",
        "        self.left -= len(content)\n",
        "",
        "tests/detector/test_zoo_pickle.py::test_arrays_do_not_outgrow_their_file",
    ),
    Mutation(
        "threats",
        "weights of any type are used",
        "fewshot/training/schema.py",
        "    if value.dtype not in _NUMBERS:",
        "    if value is None:",
        "tests/training/test_schema.py::test_what_is_no_weights_is_named",
    ),
    Mutation(
        "threats",
        "any number of slices may be announced",
        _LIMITS,
        "    check_expanded(count * _SLICE_BYTES, read, where,",
        "    check_expanded(0 * count, read, where,",
        f"{_BOMBS}::test_a_bomb_takes_little_memory",
    ),
    Mutation(
        "threats",
        "packed streams are read without end",
        _LIMITS,
        "        if self._place > self._most():",
        "        if False:",
        f"{_BOMBS}::test_a_stream_is_read_as_far_as_its_budget",
    ),
    Mutation(
        "threats",
        "deflated DICOM files are inflated where a preamble is missing",
        "fewshot/slices/sources/dicom_pixels.py",
        "        read_preamble(file, force=True)\n",
        "        if not file.seek(128) or file.read(4) != b'DICM':\n            return\n",
        f"{_BOMBS}::test_a_bomb_is_refused_at_once",
    ),
    Mutation(
        "threats",
        "the fuzzer takes every error for a refusal",
        "scripts/fuzz.py",
        "    except reader.refuses as error:",
        "    except Exception as error:",
        "tests/fuzz/test_readers.py::test_the_fuzzer_fails_for_a_reader_that_raises",
    ),
    Mutation(
        "threats",
        "the fuzzer of images passes over whatever two readers raise",
        "scripts/fuzz_readers.py",
        "        except InputError as error:\n            refusals.append(error)",
        "        except Exception as error:\n            refusals.append(error)",
        "tests/fuzz/test_readers.py::test_the_fuzzer_fails_for_a_reader_that_raises",
    ),
    Mutation(
        "2",
        "--overwrite replaces a folder whatever lies in it",
        "fewshot/folders.py",
        "        if not ours:\n",
        "        if False:\n",
        "tests/test_folders.py::test_overwrite_deletes_nothing_else",
    ),
    Mutation(
        "2",
        "a killed writer of a folder is not cleared away",
        "fewshot/folders.py",
        "        old.rename(target)\n",
        "        pass\n",
        "tests/test_folders.py::test_after_a_kill_at_any_moment_the_same_command_works",
    ),
    Mutation(
        "4",
        "a run that is emptied loses what no run wrote",
        "fewshot/run/owned.py",
        "        if path in kept or not ours(path):\n",
        "        if path in kept:\n",
        "tests/run/test_owned.py::test_what_no_run_wrote_is_named_and_stays",
    ),
    Mutation(
        "4",
        "a review is changed without a lock across processes",
        "fewshot/review/session.py",
        "with self._lock, locked(folder, self.review, REVIEW_LOCK, patience=_PATIENCE):",
        "with self._lock:",
        "tests/review/test_server.py::test_two_servers_of_one_review_lose_nothing",
    ),
    Mutation(
        "threats",
        "environment variables are read in every setting",
        "fewshot/config/load.py",
        "    if not is_path and _VARIABLE.search(value):\n",
        "    if False:\n",
        "tests/config/test_load.py::test_no_variable_goes_anywhere_but_into_paths",
    ),
    Mutation(
        "threats",
        "control characters are said as they are",
        "fewshot/text.py",
        'match[0].encode("unicode_escape").decode()',
        "match[0]",
        "tests/test_text.py::test_nothing_that_is_said_reaches_the_terminal_raw",
    ),
    Mutation(
        "threats",
        "PatientID goes into names",
        "fewshot/importing/convert.py",
        "        if imported.patients and not request.keep_ids:\n",
        "        if imported.patients and request.keep_ids:\n",
        "tests/importing/test_pseudonyms.py::test_no_output_tells_who_a_patient_is",
    ),
)

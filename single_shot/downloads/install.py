"""Data sets, from a local folder or from the network."""

import shutil
from functools import partial
from pathlib import Path

from single_shot.downloads.archives import extract
from single_shot.downloads.https import open_session
from single_shot.downloads.record_index import write_index
from single_shot.downloads.sources import DataSet, RemoteFile, find_fault
from single_shot.downloads.transfer import DownloadError, StorageError, download
from single_shot.files import appearing_folder, tree_sha256
from utils.files import replace_atomically

ARCHIVES = "downloads"  # the folder where archives stay, so that extracting again needs no network


def obtain(file: RemoteFile, folder: Path, local: Path | None = None) -> Path:
    """Return the path of a checked file: in `folder` already, in `local`, or fetched.

    file: RemoteFile; folder, local: directories, of which `local` is only read.
    Raises DownloadError where no source has the file, or a file of that name is another one, and
    StorageError where the folder cannot be written to.
    """
    final, causes = Path(folder) / file.name, []
    if final.exists():
        if fault := find_fault(final, file):
            raise DownloadError(f"{final}: {fault}; move it away, then run the same command again")
        return final
    if local is not None:
        path = Path(local) / file.name
        fault = find_fault(path, file) if path.is_file() else "no such file"
        if fault is None:
            return path
        causes.append(f"{path}\n    {fault}")
    with open_session() as session:
        for url in file.urls:
            print(f"Fetch {url}", flush=True)
            try:
                download(file, url, final, session)
                return final
            except StorageError:
                raise
            except DownloadError as error:
                causes.append(f"{url}\n    {error}")
    raise DownloadError(
        "\n  ".join([f"{file.name} could not be fetched:", *causes])
        + f"\nTry again later, or fetch it by hand ({file.describe()}),\n"
        + f"put it into {final.parent} and run the same command again"
    )


def install(data_set: DataSet, folder: Path, local: Path | None = None) -> None:
    """Put a DataSet into a folder, which for an archive appears only when it is complete.

    A record file without an `.idx` gets one. local: directory that is searched first, for the files
    and for an unpacked copy under the name of `folder` or of the archive's content.
    Raises DownloadError, or ArchiveError for an archive that must not be extracted.
    """
    folder = Path(folder)
    if not data_set.is_archive:
        for file in data_set.files:
            path = obtain(file, folder, local)
            if path.parent != folder:
                replace_atomically(folder / file.name, partial(_copy_checked, path, file))
        for path in folder.glob("*.rec"):
            if not path.with_suffix(".idx").exists():
                write_index(path)
    elif not folder.exists() and not _copied(data_set, folder, local):
        archives = folder.parent / ARCHIVES
        extract([obtain(file, archives, local) for file in data_set.files], folder)


def _copied(data_set, folder, local):
    """Copy what is unpacked in `local` already, if it is; return whether it was."""
    if local is None or not data_set.parts:
        return False
    for source in (Path(local) / folder.name, Path(local) / data_set.content):
        if all((source / part).is_dir() for part in data_set.parts):
            with appearing_folder(folder) as new:
                for part in data_set.parts:
                    shutil.copytree(source / part, new / data_set.content / part)
                if (found := tree_sha256(new / data_set.content)) != data_set.tree:
                    raise DownloadError(
                        f"{source}: its {', '.join(data_set.parts)} have SHA-256 {found}, not "
                        f"{data_set.tree}; put a right copy there, or leave out --from"
                    )
            return True
    return False


def _copy_checked(path, file, new):
    shutil.copyfile(path, new)
    if fault := find_fault(new, file):
        raise DownloadError(f"{path}: changed while it was copied, {fault}; run it again")

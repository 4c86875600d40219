/**
 * The functions of Open MPI that a group needs. Its handles are addresses of the library's own globals (mpi.h); every
 * function returns 0, or the number of an error.
 *
 * MPI: A Message-Passing Interface Standard, version 3.1, https://www.mpi-forum.org/docs/
 */
import { type Library, loadLibrary, type Pointer } from '../runtime/libraries.js';
import { QuintetError } from '../tensor/index.js';

/** Arguments of each function; results are whole numbers. */
const signatures = {
  MPI_Init_thread: ['void *', 'void *', 'int', 'void *'],
  MPI_Comm_set_errhandler: ['void *', 'void *'],
  MPI_Comm_rank: ['void *', 'void *'],
  MPI_Comm_size: ['void *', 'void *'],
  MPI_Isend: ['void *', 'int', 'void *', 'int', 'int', 'void *', 'void *'],
  MPI_Irecv: ['void *', 'int', 'void *', 'int', 'int', 'void *', 'void *'],
  MPI_Iallgatherv: ['void *', 'int', 'void *', 'void *', 'void *', 'void *', 'void *', 'void *', 'void *'],
  MPI_Iallreduce: ['void *', 'void *', 'int', 'void *', 'void *', 'void *', 'void *'],
  MPI_Ibcast: ['void *', 'int', 'void *', 'int', 'void *', 'void *'],
  MPI_Test: ['void *', 'void *', 'void *'],
  MPI_Error_string: ['int', 'void *', 'void *'],
  MPI_Abort: ['void *', 'int'],
  MPI_Finalize: [],
} as const;

/** The library's globals that handles are addresses of. */
const handles = {
  world: 'ompi_mpi_comm_world',
  float: 'ompi_mpi_float',
  int: 'ompi_mpi_int',
  byte: 'ompi_mpi_byte',
  sum: 'ompi_mpi_op_sum',
  errorsReturn: 'ompi_mpi_errors_return',
} as const;

/** In place of the buffer that is sent (mpi.h). */
export const inPlace = 1n;
/** MPI is called by one thread only, the one that has begun it. */
const threadFunneled = 1;
const longestMessage = 256;

type Argument = Pointer | number | ArrayBufferView;

export interface MpiApi extends Readonly<Record<keyof typeof handles, Pointer>> {
  readonly rank: number;
  readonly size: number;
  /** Throws a QuintetError of code 'network' where a function fails. */
  call(name: keyof typeof signatures, ...args: Argument[]): void;
  /** Whether what a request stands for is complete; frees it then. */
  complete(request: BigUint64Array): boolean;
}

/** Version 40 of the library is that of Open MPI 3, 4 and 5. */
const names: Partial<Record<NodeJS.Platform, string>> = { linux: 'libmpi.so.40', darwin: 'libmpi.40.dylib' };

/** The library's name. Throws 'unsupported' where there is no Open MPI, as on Windows, whose Microsoft MPI is another. */
export function libraryOf(platform: NodeJS.Platform): string {
  const name = names[platform];
  if (name !== undefined) return name;
  const what = `several processes train together on Linux and macOS, not on ${platform}`;
  throw new QuintetError('unsupported', what, {
    hint: 'They speak by Open MPI; Microsoft MPI has other handles. On Windows, install Open MPI within WSL and train there',
  });
}

/** Loads the library and joins the processes that mpirun has started, which waits for all of them. Once a process. */
export function startMpi(): MpiApi {
  const library = openLibrary(libraryOf(process.platform));
  const functions = Object.fromEntries(
    Object.entries(signatures).map(([name, parameters]) => [name, library.func(name, 'int', [...parameters])]),
  ) as Record<keyof typeof signatures, ReturnType<Library['func']>>;
  const symbols = Object.fromEntries(
    Object.entries(handles).map(([name, symbol]) => [name, library.symbol(symbol) as Pointer]),
  ) as Record<keyof typeof handles, Pointer>;

  const slot = new Int32Array(new ArrayBuffer(4));
  const call: MpiApi['call'] = (name, ...args) => {
    const status = functions[name](...args) as number;
    if (status === 0) return;
    const text = new Uint8Array(new ArrayBuffer(longestMessage));
    functions.MPI_Error_string(status, text, slot);
    throw new QuintetError('network', `${new TextDecoder().decode(text.subarray(0, slot[0]))} (${name})`);
  };
  const read = (name: 'MPI_Comm_rank' | 'MPI_Comm_size'): number => {
    call(name, symbols.world, slot);
    return slot[0] as number;
  };
  call('MPI_Init_thread', 0n, 0n, threadFunneled, slot);
  call('MPI_Comm_set_errhandler', symbols.world, symbols.errorsReturn);
  return {
    ...symbols,
    rank: read('MPI_Comm_rank'),
    size: read('MPI_Comm_size'),
    call,
    complete(request) {
      call('MPI_Test', request, slot, 0n);
      return slot[0] !== 0;
    },
  };
}

function openLibrary(name: string): Library {
  try {
    // Its plug-ins look for its functions among those of the whole process.
    return loadLibrary(name, { global: true });
  } catch (cause) {
    throw new QuintetError('network', `Open MPI could not be loaded: ${(cause as Error).message}`, {
      at: name,
      hint: 'install it where mpirun starts processes (Debian: openmpi-bin), or name its folder in LD_LIBRARY_PATH',
      cause,
    });
  }
}

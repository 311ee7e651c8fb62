// Where pictures come from: a file that was dropped or chosen, or the camera, whose frames follow each
// other. None leaves the page.

const MOST_PIXELS = 1280; // of a picture's longer side; a larger one is shrunk first
const CAMERA = { width: 640, height: 480, facingMode: "environment" };

// film: a <video> that nobody sees. say(text): tells the reader what went wrong, "" for nothing.
// frame(): called for each picture of the camera.
export function pictureSource(film, say, frame) {
  const canvas = document.createElement("canvas");
  const g = canvas.getContext("2d", { willReadFrequently: true });
  const self = { canvas, there: false, what: "", live: false, keep, openFile, openCamera, close };
  let stream = null;

  function keep(source, wide, tall, what) {
    const scale = Math.min(1, MOST_PIXELS / Math.max(wide, tall));
    canvas.width = Math.max(1, Math.round(wide * scale));
    canvas.height = Math.max(1, Math.round(tall * scale));
    g.fillStyle = "#fff"; // behind a picture that is transparent in places
    g.fillRect(0, 0, canvas.width, canvas.height);
    g.drawImage(source, 0, 0, canvas.width, canvas.height);
    Object.assign(self, { there: true, what });
  }

  // Whether the file was a picture.
  async function openFile(file) {
    try {
      const bitmap = await createImageBitmap(file);
      close();
      keep(bitmap, bitmap.width, bitmap.height, `the picture ${file.name}`);
      say("");
      return true;
    } catch {
      const kind = file.type || "a file of no known type";
      say(`${file.name}: expected a picture that this browser can read, got ${kind}.`);
      return false;
    }
  }

  async function openCamera() {
    self.live = true;
    self.there = false;
    try {
      if (!navigator.mediaDevices) throw new Error("this browser gives a page no camera here");
      const got = await navigator.mediaDevices.getUserMedia({ video: CAMERA });
      if (!self.live) { // the reader went on while the browser asked
        for (const track of got.getTracks()) track.stop();
        return;
      }
      stream = film.srcObject = got;
      await film.play();
      say("");
      requestAnimationFrame(next);
    } catch (problem) {
      if (!self.live) return;
      close();
      say(`The camera could not be opened: ${problem.message || problem.name}.`);
    }
  }

  function next() {
    if (!stream) return;
    keep(film, film.videoWidth, film.videoHeight, "the camera's picture");
    frame();
    requestAnimationFrame(next);
  }

  function close() {
    for (const track of stream ? stream.getTracks() : []) track.stop();
    if (self.live) self.there = false;
    stream = film.srcObject = null;
    self.live = false;
  }
  return self;
}

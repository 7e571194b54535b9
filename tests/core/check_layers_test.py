"""scripts/check_layers.py must find each kind of break in a small tree made for it."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "check_layers.py"


def run(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr


class CheckLayers(unittest.TestCase):
    def test_accepts_includes_of_lower_layers(self):
        self.assertEqual(run({"train/sft.cpp": '#include "lora/attach.h"\n#include <torch/nn/module.h>\n'})[0], 0)

    def test_names_the_line_of_an_upward_include(self):
        status, out, _ = run({"models/a.cpp": '#include <vector>\n#include "data/rows.h"\n'})
        self.assertEqual((status, out),
                         (1, "models/a.cpp:2: models/ must not include 'data/rows.h': data/ is not below it\n"))

    def test_train_never_sees_eval(self):
        self.assertEqual(run({"train/a.h": '#include "eval/gate.h"\n'})[0], 1)

    def test_internal_headers_stay_in_their_folder(self):
        self.assertEqual(run({"core/a.cpp": '#include "core/internal/b.h"\n'})[0], 0)
        status, out, _ = run({"data/a.cpp": '#include "core/internal/b.h"\n'})
        self.assertEqual((status, out), (1, "data/a.cpp:1: 'core/internal/b.h' is internal to core/\n"))

    def test_core_has_no_torch(self):
        self.assertEqual(run({"core/a.h": "#include <ATen/core/Tensor.h>\n"})[0], 1)

    def test_only_ops_uses_the_network(self):
        self.assertEqual(run({"ops/hub/a.cpp": "#include <curl/curl.h>\n#include <sys/socket.h>\n"})[0], 0)
        status, out, _ = run({"cli/a.cpp": "#include <curl/curl.h>\n"})
        self.assertEqual((status, out), (1, "cli/a.cpp:1: cli/ must not use the network ('curl/curl.h'); only ops/ may\n"))
        self.assertEqual(run({"core/a.cpp": "#include <netdb.h>\n"})[0], 1)

    def test_cu_files_have_no_torch(self):
        self.assertEqual(run({"kernels/a.cu": "#include <c10/core/Device.h>\n"})[0], 1)

    def test_torch_torch_h_is_too_wide(self):
        self.assertEqual(run({"train/a.h": "#include <torch/torch.h>\n"})[0], 1)

    def test_long_files_are_warned_of_and_longer_ones_refused(self):
        status, _, err = run({"core/a.cpp": "//\n" * 401})
        self.assertEqual((status, err), (0, "core/a.cpp: warning: 401 lines, more than 400\n"))
        self.assertEqual(run({"core/a.cpp": "//\n" * 601})[0], 1)


if __name__ == "__main__":
    unittest.main()
